import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import type { S3Credentials } from "../../src/s3/options.ts";

export async function makeBucket(endpoint: string, name: string, credentials: S3Credentials): Promise<void> {
  const { accessKeyId, secretAccessKey } = credentials;
  const client = new S3Client({
    endpoint,
    region: "default",
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
  try {
    await client.send(new CreateBucketCommand({ Bucket: name }));
  } finally {
    client.destroy();
  }
}
