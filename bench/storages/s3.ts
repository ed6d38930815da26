/** The object gateway of Ceph, over TLS, against rclone and restic. */
import { makeBucket } from "../../packages/storage/test/servers/s3-bucket.ts";
import { missingS3Programs, startS3Server } from "../../packages/storage/test/servers/s3-server.ts";
import { holdfastClient } from "./holdfast-client.ts";
import { rcloneClient, rcloneEnvironment } from "./rclone.ts";
import { resticClient } from "./restic.ts";
import { type Kind, present } from "./service.ts";

const BUCKET = "holdfast-bench";

export const s3: Kind = {
  name: "s3",
  missing() {
    const missing = missingS3Programs();
    return missing.length === 0 ? undefined : `needs ${missing.join(", ")}`;
  },
  async start() {
    const server = await startS3Server();
    const { accessKeyId, secretAccessKey } = await server.addUser("bench");
    await makeBucket(server.endpoint, BUCKET, { accessKeyId, secretAccessKey });
    const { port } = new URL(server.secureEndpoint);
    return {
      port: Number(port),
      clients(reached, folder) {
        const endpoint = `https://127.0.0.1:${String(reached)}`;
        const settings = `region=default&endpoint=${endpoint}&ca=${encodeURIComponent(server.caFile)}`;
        const url = `s3://${BUCKET}/${folder}?${settings}`;
        const rclone = rcloneEnvironment(
          {
            TYPE: "s3",
            PROVIDER: "Ceph",
            ENDPOINT: endpoint,
            ACCESS_KEY_ID: accessKeyId,
            SECRET_ACCESS_KEY: secretAccessKey,
          },
          server.caFile,
        );
        return present([
          holdfastClient(url, { accessKeyId, secretAccessKey }),
          rcloneClient(`${BUCKET}/${folder}-rclone`, rclone),
          resticClient({
            repository: `s3:${endpoint}/${BUCKET}/${folder}-restic`,
            env: {
              AWS_ACCESS_KEY_ID: accessKeyId,
              AWS_SECRET_ACCESS_KEY: secretAccessKey,
              AWS_DEFAULT_REGION: "default",
            },
            options: () => ["--cacert", server.caFile, "--option", "s3.bucket-lookup=path"],
          }),
        ]);
      },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};
