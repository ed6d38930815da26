import type { RunProgress } from "@holdfast/protocol";

type Fields = { readonly [name in keyof RunProgress]?: number | undefined };

/** Without what is not known. */
export function knownFields(fields: Fields): RunProgress {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) =>
      value === undefined || !Number.isFinite(value)
        ? []
        : [[name, name === "bytesPerSecond" ? value : Math.trunc(value)]],
    ),
  );
}
