// Writes docs/holdfast.1 after a change of the command's definitions: node tools/make-manual.ts
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { manualPage } from "../apps/command/src/manual.ts";

writeFileSync(join(import.meta.dirname, "../docs/holdfast.1"), manualPage());
