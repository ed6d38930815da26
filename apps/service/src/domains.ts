/**
 * The domains put together: what each needs of the others, and every route that the service has.
 *
 * @module
 */
import type { Clock, Randomness } from "@holdfast/kernel";
import type { AuditLog } from "./audit/audit.ts";
import { auditRoutes } from "./audit/routes.ts";
import type { Authority } from "./authority/authority.ts";
import { lookupRoutes } from "./copies/lookup-routes.ts";
import { copyRoutes } from "./copies/routes.ts";
import type { Database } from "./database/database.ts";
import { deviceRoutes } from "./devices/routes.ts";
import { downloadRoutes } from "./downloads/routes.ts";
import { createTransfers, type Transfers } from "./downloads/transfers.ts";
import { housekeepingRoutes } from "./housekeeping/routes.ts";
import { liveRoutes } from "./http/live.ts";
import type { AnyRoute } from "./http/route.ts";
import { repositoryRoutes } from "./maintenance/routes.ts";
import { createTaskKinds } from "./operations/index.ts";
import { createChannelProposalTest } from "./notifications/proposed-secret.ts";
import { notificationRoutes } from "./notifications/routes.ts";
import { type Outbound, outboundOf } from "./outbound/outbound.ts";
import { outboundRoutes } from "./outbound/routes.ts";
import { planRoutes } from "./plans/routes.ts";
import { policyRoutes } from "./policies/routes.ts";
import { replicationRoutes } from "./repositories/replication-routes.ts";
import type { OwnPasswordDependencies } from "./secrets/own-password.ts";
import { secretRoutes } from "./secrets/routes.ts";
import { createStrengthThread } from "./secrets/strength/strength-thread.ts";
import { USES_BY_DOMAINS } from "./secrets/secret-uses.ts";
import type { OpenedVault } from "./secrets/vault-of-keys.ts";
import { vaultRoutes } from "./secrets/vault-routes.ts";
import { storageRoutes } from "./storages/routes.ts";
import { createStorageProposalTest } from "./storages/storage-proposal.ts";
import { cancelTasksWithSecret } from "./tasks/revocation.ts";
import { taskRoutes } from "./tasks/routes.ts";
import type { TaskKinds, TaskQueue } from "./tasks/task-kinds.ts";
import { createTaskQueue } from "./tasks/task-queue.ts";
import { requireOwnPassword } from "./users/own-password.ts";
import type { PasswordWork } from "./users/password-work.ts";
import { userRoutes } from "./users/routes.ts";
import { createIssuers } from "./users/single-sign-on/issuer.ts";
import { createProviderProposalTest } from "./users/single-sign-on/proposed-secret.ts";

export interface DomainPorts {
  readonly database: Database;
  readonly vault: OpenedVault;
  readonly audit: AuditLog;
  readonly authority: Authority;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly passwords: PasswordWork;
  /** Default: what the policy `outbound` allows. */
  readonly outbound?: Outbound;
}

export interface Domains extends DomainPorts {
  /** The one way by which the service itself calls others. */
  readonly outbound: Outbound;
  readonly kinds: TaskKinds;
  readonly queue: TaskQueue;
  readonly transfers: Transfers;
}

export function createDomains(ports: DomainPorts): Domains {
  // The end of a task makes others, and the queue ends tasks: each reaches the other only when it is at work.
  const later: TaskQueue = {
    create: (transaction, task) => queue.create(transaction, task),
    requestCancel: (transaction, id, reason) => queue.requestCancel(transaction, id, reason),
  };
  const kinds = createTaskKinds({ ...ports, queue: later });
  const queue = createTaskQueue({ ...ports, kinds });
  return {
    ...ports,
    outbound: ports.outbound ?? outboundOf(ports.database),
    kinds,
    queue,
    transfers: createTransfers(),
  };
}

/** @param failed told what happened beside an answer, and nobody foresaw. */
export function routesOf(domains: Domains, failed?: (error: unknown) => void): AnyRoute[] {
  const ownPassword: OwnPasswordDependencies = {
    ...domains,
    requireOwnPassword: (actor, password, what) => requireOwnPassword(domains, actor, password, what),
  };
  // Starts nothing before it is asked.
  const estimate = createStrengthThread();
  return [
    ...userRoutes(domains),
    ...secretRoutes({
      ...domains,
      ...ownPassword,
      findUses: USES_BY_DOMAINS,
      estimate,
      ...(failed === undefined ? {} : { failed }),
      placeTests: {
        storage: createStorageProposalTest(domains.queue),
        channel: createChannelProposalTest(domains.database, domains),
        "identity-provider": createProviderProposalTest(domains.database, createIssuers(domains)),
      },
      endLeases: (transaction, id) =>
        cancelTasksWithSecret(domains.queue, transaction, id, "A secret that it was given was disabled."),
    }),
    ...vaultRoutes({ ...domains, ...ownPassword, estimate }),
    ...storageRoutes(domains),
    ...deviceRoutes(domains),
    ...planRoutes(domains),
    ...taskRoutes(domains),
    ...repositoryRoutes(domains),
    ...replicationRoutes(domains),
    ...copyRoutes(domains),
    ...lookupRoutes(domains),
    ...downloadRoutes(domains),
    ...policyRoutes(domains),
    ...housekeepingRoutes(domains),
    ...outboundRoutes(domains),
    ...notificationRoutes(domains),
    ...auditRoutes(domains),
    ...liveRoutes(domains),
  ];
}
