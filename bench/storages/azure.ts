/** Azurite, over TLS, against rclone and restic; all log in with a shared access signature of the container. */
import { startAzureServer } from "../../packages/storage/test/servers/azure-server.ts";
import { holdfastClient } from "./holdfast-client.ts";
import { rcloneClient, rcloneEnvironment } from "./rclone.ts";
import { resticOverRclone } from "./restic.ts";
import { type Kind, present } from "./service.ts";

export const azure: Kind = {
  name: "azure",
  missing: () => undefined,
  async start() {
    const server = await startAzureServer({ tls: true });
    const { account } = server;
    const container = await server.makeContainer();
    const sas = server.sas(container, "rwdlc");
    const caFile = server.authority.certificatePath;
    return {
      port: server.port,
      clients(port, folder) {
        const endpoint = server.endpoint(port);
        const settings = `account=${account}&endpoint=${endpoint}&ca=${encodeURIComponent(caFile)}`;
        const own = holdfastClient(`azure://${container}/${folder}?${settings}`, { sas });
        const rclone = rcloneEnvironment(
          { TYPE: "azureblob", SAS_URL: `${endpoint}/${container}?${sas}` },
          caFile,
        );
        return present([
          own,
          rcloneClient(`${container}/${folder}-rclone`, rclone),
          resticOverRclone(`${container}/${folder}-restic`, rclone),
        ]);
      },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};
