/**
 * Loaded into Azurite before it starts: SIGUSR2 makes it end as a machine would that loses nothing it has answered for, which
 * is what Azure promises. Azurite by itself writes what it knows of its blobs to the disk every five seconds only.
 */
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";

interface Database {
  readonly filename: string;
  readonly serialize: () => string;
}

const databases = new Set<Database>();

watch(createRequire(import.meta.resolve("azurite/dist/src/blob/main.js"))("lokijs"));
process.on("SIGUSR2", () => {
  for (const database of databases) writeFileSync(database.filename, database.serialize());
  process.kill(process.pid, "SIGKILL");
});

/** Each database configures itself when it is made. */
function watch(loki: unknown): void {
  const prototype: unknown = typeof loki === "function" ? loki.prototype : undefined;
  if (typeof prototype !== "object" || prototype === null)
    throw new TypeError("Azurite's database is not known.");
  const configure: unknown = Reflect.get(prototype, "configureOptions");
  if (typeof configure !== "function") throw new TypeError("Azurite's database has no configureOptions.");
  Reflect.set(
    prototype,
    "configureOptions",
    function configureWatched(this: Database, ...given: unknown[]): unknown {
      databases.add(this);
      return Reflect.apply(configure, this, given);
    },
  );
}
