/** Reads back the JSON that a benchmark wrote earlier, refusing what it plainly did not write. */
export function parseJson<Value>(text: string, isValue: (value: unknown) => value is Value): Value {
  const value: unknown = JSON.parse(text);
  if (isValue(value)) return value;
  throw new Error(`not what a benchmark wrote: ${text.slice(0, 80)}`);
}

/** Whether `value` is an object whose `key` is a string. */
export function hasText(value: unknown, key: string): boolean {
  return typeof value === "object" && value !== null && typeof Reflect.get(value, key) === "string";
}
