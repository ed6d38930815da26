/** A service that does what a test says, and a machine that wants to be its device. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { EnrolOptions } from "../src/index.ts";
import { newAuthority } from "./authority.ts";
import { ScriptedService } from "./scripted-service.ts";

interface Scene {
  readonly service: ScriptedService;
  readonly stateDir: string;
  readonly options: (more?: Partial<EnrolOptions>) => EnrolOptions;
}

export async function newScene(context: TestContext): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-enrol-"));
  const service = new ScriptedService({ authority: await newAuthority() });
  await service.listen();
  context.after(async () => {
    await service.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const stateDir = join(folder, "state");
  return {
    service,
    stateDir,
    options: (more = {}) => ({
      service: service.url,
      code: service.newCode(),
      stateDir,
      environment: {},
      ...more,
    }),
  };
}
