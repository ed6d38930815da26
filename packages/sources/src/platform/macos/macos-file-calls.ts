/**
 * {@link FileCalls} on macOS: Node's own calls by path, and what Node lacks by {@link MacosCalls}.
 *
 * @module
 */
import { ERRNO } from "../../posix/errno.ts";
import type { FileCalls, NodeChangeFailure, Xattr } from "../../posix/file-calls.ts";
import { createPortableCalls, reachBySlash } from "../../posix/portable-calls.ts";
import { trackPaths } from "../tracked-paths.ts";
import { decodeCommonAttributes } from "./common-attributes.ts";
import { sealOnMacos, setMacosAttribute } from "./macos-attributes.ts";
import type { MacosCalls } from "./macos-calls.ts";

/** @param calls undefined where koffi is missing. */
export function createMacosFileCalls(calls: MacosCalls | undefined): FileCalls {
  const { calls: base, pathOf } = trackPaths(createPortableCalls(false), reachBySlash);
  if (calls === undefined) return base;
  const setXattr = (path: Buffer, xattr: Xattr): number => setMacosAttribute(calls, path, xattr);
  return {
    ...base,
    /** `ENOTSUP` for files whose content is elsewhere: reading would fetch it. */
    stat: (parent, name) => {
      const stat = base.stat(parent, name);
      if (typeof stat === "number" || stat.kind !== "file" || stat.blocks > 0 || stat.size === 0) return stat;
      const bytes = calls.commonAttributes(reachBySlash(parent, name));
      const isRemote = typeof bytes !== "number" && decodeCommonAttributes(bytes)?.isRemote === true;
      return isRemote ? -ERRNO.ENOTSUP : stat;
    },
    setXattr: (fd, xattr) => setXattr(pathOf(fd), xattr),
    removeXattr: () => 0,
    changeNode: (parent, name, kind, { xattrs = [], ...change }) => {
      const failures: NodeChangeFailure[] = [...base.changeNode(parent, name, kind, change)];
      if (failures.some(({ step }) => step === "open")) return failures;
      for (const xattr of xattrs) {
        const errno = setXattr(reachBySlash(parent, name), xattr);
        if (errno < 0) failures.push({ step: "xattr", errno, xattr: xattr.name });
      }
      return failures;
    },
    seal: (parent, name, xattrs) => {
      const errno = sealOnMacos(calls, reachBySlash(parent, name), xattrs);
      return errno < 0 ? [{ step: "xattr", errno }] : [];
    },
  };
}
