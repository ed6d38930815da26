// Downloads over HTTP.
import { AppError } from "@holdfast/kernel";
import { copyId, downloadQuery } from "@holdfast/protocol";
import { z } from "zod";
import { type AnyRoute, route } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import { download, type DownloadDependencies } from "./download.ts";

export function downloadRoutes(dependencies: DownloadDependencies): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/copies/:id/download",
      operation: "downloadCopy",
      summary:
        "A file of the copy, or folders and several places as an archive; `Range` is taken for single files",
      tag: "copies",
      right: "copies.restore",
      params: z.object({ id: copyId }),
      query: downloadQuery,
      stream: "application/octet-stream",
      handle: async ({ actor, params, query, header, gone }) => {
        refuseOtherSites(header("sec-fetch-site"));
        return download(dependencies, {
          actor: signedIn(actor),
          copy: params.id,
          query,
          range: header("range"),
          ifRange: header("if-range"),
          gone,
        });
      },
    }),
  ];
}

/** Reading is work of a device and leaves a row in the audit log: no page of another site starts it. */
function refuseOtherSites(site: string | undefined): void {
  if (site === undefined || site === "same-origin" || site === "none") return;
  throw new AppError("ERR_CROSS_SITE", "This request comes from another site.", {
    remedy: "Use the console of the service itself; programs sign in with an API token.",
  });
}
