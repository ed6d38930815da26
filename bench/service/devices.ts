/** Devices with certificates of the service's own authority, without the time that enrolling takes. */
import { systemClock, systemRandomness } from "@holdfast/kernel";
import { openAuthority } from "../../apps/service/src/authority/authority.ts";
import type { Database } from "../../apps/service/src/database/database.ts";
import { openVault } from "../../apps/service/src/secrets/open-vault.ts";
import { newAgentKeys } from "../../apps/service/test/scripted-agent.ts";
import { deviceId } from "./scale.ts";

export interface Device {
  readonly id: string;
  /** PEM. */
  readonly certificate: string;
  readonly privateKey: string;
}

export interface Devices {
  readonly devices: readonly Device[];
  /** PEM. */
  readonly authority: string;
}

const TOGETHER = 20;

export async function insertDevices(
  database: Database,
  place: { readonly path: string; readonly dataFolder: string },
  count: number,
): Promise<Devices> {
  const ports = { clock: systemClock, randomness: systemRandomness };
  using vault = await openVault(database.db, { kind: "file", ...place }, ports);
  const authority = await openAuthority({ ...ports, database, vault });
  const devices: Device[] = [];
  for (let start = 0; start < count; start += TOGETHER) {
    const indices = Array.from({ length: Math.min(TOGETHER, count - start) }, (_, index) => start + index);
    const made = await Promise.all(
      indices.map(async (index) => {
        const { request, privateKey } = await newAgentKeys();
        const id = deviceId(index);
        const issued = await authority.issueClient(Buffer.from(request, "base64"), id);
        return { index, id, privateKey, ...issued };
      }),
    );
    await database.db
      .insertInto("devices")
      .values(
        made.map(({ index, id, serial, expiresAt }) => ({
          ...row(index, id),
          certificate_serial: serial,
          certificate_expires_at: expiresAt,
        })),
      )
      .execute();
    devices.push(...made.map(({ id, pem, privateKey }) => ({ id, certificate: pem, privateKey })));
  }
  return { devices, authority: authority.certificate };
}

function row(index: number, id: string) {
  return {
    id,
    name: `machine-${String(index).padStart(4, "0")}`,
    platform: JSON.stringify({ system: "linux", release: "6.1", architecture: "x64", hostname: "web" }),
    methods: JSON.stringify(["gcm", "cbc"]),
    version: "0.1.0",
    worker: index === 0 ? 1 : 0,
    disabled: 0,
    created_at: Date.now(),
    created_by: "",
    next_certificate_serial: null,
    process_id: null,
    connected_at: null,
    seen_at: null,
    revision: 1,
  } as const;
}
