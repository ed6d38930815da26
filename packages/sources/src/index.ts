// The public surface of this package.
export { takeEnvironmentSecret } from "./posix/environment-secret.ts";
