import { posix } from "node:path";
import type { PathRules } from "./file-platform.ts";

/** Paths are bytes; `.` and `..` are resolved by the text. */
export const POSIX_PATHS: PathRules = {
  toTree: (path) => {
    const components: string[] = [];
    for (const component of path.toString("latin1").split("/")) {
      if (component === "..") components.pop();
      else if (component !== "" && component !== ".") components.push(component);
    }
    return components.join("/");
  },
  toSystem: (path) => Buffer.from(`/${path}`, "latin1"),
  below: (place, path) => Buffer.concat([place, Buffer.from(`/${path}`, "latin1")]),
  // Latin-1 is one character a byte, and the path functions care for slashes and dots only.
  resolve: (folder, path) =>
    Buffer.from(posix.resolve(folder.toString("latin1"), path.toString("latin1")), "latin1"),
  forCalls: (path) => path,
  shown: (path) => `/${Buffer.from(path, "latin1").toString("utf8")}`,
  nameProblem: () => undefined,
};
