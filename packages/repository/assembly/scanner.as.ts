/** Entry of `build/scanner.wasm`. Addresses are checked by the host. */
export { scan } from "./cut.as";
export { clearSample, countPiece, sampleSquares } from "./noise.as";
export { firstNonZero, nextZeroBlock } from "./zero.as";
