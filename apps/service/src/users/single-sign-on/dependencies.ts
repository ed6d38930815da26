import type { UserDependencies } from "../dependencies.ts";
import type { Issuers } from "./issuer.ts";

export interface SingleSignOnDependencies extends UserDependencies {
  readonly issuers: Issuers;
}
