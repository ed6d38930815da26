/**
 * The worker of the service's own machine: an agent like any other, enrolled by the service itself.
 *
 * @module
 */
import { SERVICE_ACTOR } from "../audit/audit.ts";
import { createEnrolmentCode, type EnrolmentDependencies } from "./enrolment.ts";

const NOTE = "the service's own worker";

export async function createWorkerCode(dependencies: EnrolmentDependencies): Promise<string> {
  const { code } = await createEnrolmentCode(dependencies, SERVICE_ACTOR, { note: NOTE });
  return code;
}

/** Makes a device a worker. */
export async function adoptWorker(
  { database, audit }: Pick<EnrolmentDependencies, "database" | "audit">,
  id: string,
): Promise<void> {
  await database.transaction(async (transaction) => {
    await transaction.updateTable("devices").set({ worker: 1 }).where("id", "=", id).execute();
    await audit.append(transaction, {
      actor: SERVICE_ACTOR,
      action: "device.adopt-worker",
      subject: { kind: "device", id },
    });
  });
}
