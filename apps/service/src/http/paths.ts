// Where the API is, and the parameters of its paths.

export const API_PREFIX = "/api/v1";

export function pathParameters(path: string): readonly string[] {
  return [...path.matchAll(/:([A-Za-z]+)/gu)].map(([, name]) => name ?? "");
}
