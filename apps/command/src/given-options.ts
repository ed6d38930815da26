/**
 * The options of a call as the types they were defined to have.
 *
 * @module
 */

/** Names are those of the options in camel case: `--dry-run` is `dryRun`. */
export class GivenOptions {
  readonly #values: ReadonlyMap<string, unknown>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = new Map(Object.entries(values));
  }

  flag(name: string): boolean {
    return this.#values.get(name) === true;
  }

  /** For `--no-NAME`: whether it was given. */
  isDenied(name: string): boolean {
    return this.#values.get(name) === false;
  }

  text(name: string): string | undefined {
    const value = this.#values.get(name);
    return typeof value === "string" ? value : undefined;
  }

  texts(name: string): readonly string[] {
    const value = this.#values.get(name);
    return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
  }

  number(name: string): number | undefined {
    const value = this.#values.get(name);
    return typeof value === "number" ? value : undefined;
  }
}
