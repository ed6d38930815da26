// The vault over HTTP: for those who answer for its protection.
import {
  kitConfirmation,
  kitInUse,
  kitRequest,
  newKit,
  newVaultSlot,
  rotation,
  slotId,
  vaultSlot,
  vaultStatus,
  vaultVerification,
} from "@holdfast/protocol";
import { z } from "zod";
import { userActor } from "../audit/audit.ts";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import { rotateKeyring } from "./keyring.ts";
import { confirmRecoveryKit, makeRecoveryKit } from "./recovery-kit.ts";
import { addRecoverySlots } from "./repository-slots.ts";
import { addPassphraseSlot, removeSlot, type VaultDependencies } from "./vault-slots.ts";
import { vaultStatus as readStatus } from "./vault-status.ts";
import { verifyVault } from "./verify-vault.ts";

const byId = z.object({ id: slotId });
const TAG = "vault";
const right = "secrets.protect";

export function vaultRoutes(dependencies: VaultDependencies): AnyRoute[] {
  return [...vaultItself(dependencies), ...slotRoutes(dependencies), ...kitRoutes(dependencies)];
}

function vaultItself(dependencies: VaultDependencies): AnyRoute[] {
  const { database, vault } = dependencies;
  return [
    route({
      method: "GET",
      path: "/vault",
      operation: "readVault",
      summary: "How the vault is opened, and what the present set-up protects against",
      tag: TAG,
      right,
      answer: vaultStatus,
      handle: () => readStatus(database.db, vault),
    }),
    route({
      method: "GET",
      path: "/vault/verification",
      operation: "verifyVault",
      summary: "Open every value, and name what does not open",
      tag: TAG,
      right,
      answer: vaultVerification,
      handle: async () => {
        const { values, problems } = await verifyVault(database.db, vault);
        return { values, problems: [...problems] };
      },
    }),
    route({
      method: "POST",
      path: "/vault/rotation",
      operation: "rotateKeyring",
      summary: "Begin a new term of the keyring, and seal the keys of all values under it",
      tag: TAG,
      right,
      answer: rotation,
      handle: ({ actor }) => rotateKeyring(dependencies, userActor(signedIn(actor))),
    }),
  ];
}

function slotRoutes(dependencies: VaultDependencies): AnyRoute[] {
  return [
    route({
      method: "POST",
      path: "/vault/slots",
      operation: "addVaultSlot",
      summary: "Add a passphrase that opens the vault",
      tag: TAG,
      right,
      body: newVaultSlot,
      answer: vaultSlot,
      status: 201,
      creates: true,
      handle: ({ actor, body }) => addPassphraseSlot(dependencies, signedIn(actor), body),
    }),
    route({
      method: "DELETE",
      path: "/vault/slots/:id",
      operation: "removeVaultSlot",
      summary: "Remove a way to open the vault, but not the last one",
      tag: TAG,
      right,
      params: byId,
      handle: ({ actor, params }) => removeSlot(dependencies, userActor(signedIn(actor)), params.id),
    }),
  ];
}

function kitRoutes(dependencies: VaultDependencies): AnyRoute[] {
  return [
    route({
      method: "POST",
      path: "/vault/recovery-kit",
      operation: "makeRecoveryKit",
      summary: "Make a recovery kit; its text is answered once and kept nowhere",
      tag: TAG,
      right,
      body: kitRequest,
      answer: newKit,
      status: 201,
      handle: ({ actor, body }) => makeRecoveryKit(dependencies, signedIn(actor), body.password),
    }),
    route({
      method: "POST",
      path: "/vault/recovery-kit/:id/confirmation",
      operation: "confirmRecoveryKit",
      summary:
        "Put a recovery kit in use, after two of its groups were typed back or that was knowingly skipped",
      tag: TAG,
      right,
      params: byId,
      body: kitConfirmation,
      answer: kitInUse,
      handle: async ({ actor, params, body }) => {
        await confirmRecoveryKit(dependencies, signedIn(actor), params.id, body);
        return { repositories: await addRecoverySlots(dependencies) };
      },
    }),
  ];
}
