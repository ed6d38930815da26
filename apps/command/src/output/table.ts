/**
 * Rows in columns, for people.
 *
 * @module
 */

export interface Column {
  readonly title: string;
  readonly align?: "right";
}

/** The lines of a table: titles, then rows. Columns are as wide as their widest cell; the last one is not padded. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const titles = columns.map(({ title }) => title);
  const widths = columns.map((_, index) =>
    [titles, ...rows].reduce((width, row) => Math.max(width, textWidth(row[index] ?? "")), 0),
  );
  return [titles, ...rows].map((row) =>
    row
      .map((cell, index) => {
        const missing = " ".repeat(Math.max(0, (widths[index] ?? 0) - textWidth(cell)));
        return columns[index]?.align === "right" ? missing + cell : cell + missing;
      })
      .join("  ")
      .trimEnd(),
  );
}

/** Characters, not the cells of a terminal: wide scripts come out a little ragged. */
function textWidth(text: string): number {
  let width = 0;
  for (const _ of text) width += 1;
  return width;
}
