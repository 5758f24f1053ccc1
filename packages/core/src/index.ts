export { QkNormError, type QkNormErrorCode } from "./errors.ts";
