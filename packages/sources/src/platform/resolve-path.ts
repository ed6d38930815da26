import { currentPlatform } from "./current-platform.ts";

/** The absolute path that somebody in `folder` means by `path`, by the rules of this system. */
export function resolvePath(folder: Buffer, path: Buffer): Buffer {
  return currentPlatform().paths.resolve(folder, path);
}
