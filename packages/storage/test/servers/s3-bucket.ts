import { CreateBucketCommand, GetObjectCommand, paginateListObjectsV2, S3Client } from "@aws-sdk/client-s3";
import type { S3Credentials } from "../../src/s3/options.ts";

export async function makeBucket(endpoint: string, name: string, credentials: S3Credentials): Promise<void> {
  using client = clientOf(endpoint, credentials);
  await client.send(new CreateBucketCommand({ Bucket: name }));
}

/** All objects of a bucket: names, metadata and contents. */
export async function contentOfBucket(
  endpoint: string,
  name: string,
  credentials: S3Credentials,
): Promise<readonly Buffer[]> {
  using client = clientOf(endpoint, credentials);
  const content: Buffer[] = [];
  for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket: name })) {
    for (const { Key = "" } of Contents) {
      const { Body, Metadata = {} } = await client.send(new GetObjectCommand({ Bucket: name, Key }));
      content.push(Buffer.from(Key), Buffer.from(JSON.stringify(Metadata)));
      content.push(Buffer.from((await Body?.transformToByteArray()) ?? []));
    }
  }
  return content;
}

function clientOf(endpoint: string, { accessKeyId, secretAccessKey }: S3Credentials): S3Client & Disposable {
  const client = new S3Client({
    endpoint,
    region: "default",
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
  return Object.assign(client, { [Symbol.dispose]: () => client.destroy() });
}
