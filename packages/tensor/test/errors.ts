import { QkNormError, type QkNormErrorCode } from "@qknorm/core";
import { expect } from "vitest";

/** Calls `fn`, expects a `QkNormError` of this code and returns its message. */
export function failure(code: QkNormErrorCode, fn: () => unknown): string {
  let thrown: unknown;
  try {
    fn();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(QkNormError);
  expect(thrown).toMatchObject({ code });
  return (thrown as QkNormError).message;
}

/** A typed array whose buffer was transferred away. */
export function detach(data: { readonly buffer: ArrayBufferLike }): void {
  structuredClone(data.buffer, { transfer: [data.buffer as ArrayBuffer] });
}

/** A buffer of this many bytes that can shrink (ES2024, in Node since 20). */
export function resizable(bytes: number): ArrayBuffer {
  return Reflect.construct(ArrayBuffer, [bytes, { maxByteLength: bytes }]);
}

/** Shrinks a resizable buffer. */
export function resize(buffer: ArrayBufferLike, bytes: number): void {
  (buffer as unknown as { resize(bytes: number): void }).resize(bytes);
}
