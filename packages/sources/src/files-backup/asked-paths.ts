/**
 * The paths that were asked for as a tree: duplicates and paths inside each other fall together.
 *
 * @module
 */
import type { PathText } from "./path-text.ts";

export interface AskedPath {
  /** The path itself was asked for; otherwise it only leads to some. */
  readonly asked: boolean;
  readonly children: ReadonlyMap<PathText, AskedPath>;
}

/** Of a path of a copy. */
export function componentsOf(path: PathText): PathText[] {
  return path === "" ? [] : path.split("/");
}

export function askedTree(paths: readonly (readonly PathText[])[]): AskedPath {
  return {
    asked: paths.some((path) => path.length === 0),
    children: childrenOf(paths.filter((path) => path.length > 0)),
  };
}

function childrenOf(paths: readonly (readonly PathText[])[]): ReadonlyMap<PathText, AskedPath> {
  const byName = new Map<PathText, (readonly PathText[])[]>();
  for (const [name = "", ...rest] of paths) byName.set(name, [...(byName.get(name) ?? []), rest]);
  return new Map([...byName].map(([name, rests]) => [name, askedTree(rests)]));
}

/** The node of a path, if it was asked for or leads to some. */
export function findAsked(tree: AskedPath, path: PathText): AskedPath | undefined {
  let node: AskedPath | undefined = tree;
  if (path === "") return node;
  for (const component of path.split("/")) {
    node = node.children.get(component);
    if (node === undefined) return undefined;
  }
  return node;
}

/** Whether the path was asked for or lies in one that was. */
export function isInsideAsked(tree: AskedPath, path: PathText): boolean {
  if (tree.asked) return true;
  if (path === "") return false;
  let node: AskedPath | undefined = tree;
  for (const component of path.split("/")) {
    node = node.children.get(component);
    if (node === undefined) return false;
    if (node.asked) return true;
  }
  return false;
}
