/**
 * Where a tensor's elements land when it is read. F16, BF16 and the 8-bit floats stay bit patterns; BOOL is one byte
 * each, 0 or 1.
 */
export type TensorData =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

interface DtypeTraits {
  /** Size of one element, in bits: the format has dtypes smaller than a byte. */
  readonly bits: number;
  /** Makes the typed array that holds `elements` of them; absent for a dtype that is known but not supported. */
  readonly allocate?: (elements: number) => TensorData;
}

/** Every dtype of the safetensors format (`Dtype` in huggingface/safetensors), and what it is read into. */
export const SAFETENSORS_DTYPES = {
  F64: { bits: 64, allocate: (n): Float64Array => new Float64Array(n) },
  F32: { bits: 32, allocate: (n): Float32Array => new Float32Array(n) },
  F16: { bits: 16, allocate: (n): Uint16Array => new Uint16Array(n) },
  BF16: { bits: 16, allocate: (n): Uint16Array => new Uint16Array(n) },
  I64: { bits: 64, allocate: (n): BigInt64Array => new BigInt64Array(n) },
  U64: { bits: 64, allocate: (n): BigUint64Array => new BigUint64Array(n) },
  I32: { bits: 32, allocate: (n): Int32Array => new Int32Array(n) },
  U32: { bits: 32, allocate: (n): Uint32Array => new Uint32Array(n) },
  I16: { bits: 16, allocate: (n): Int16Array => new Int16Array(n) },
  U16: { bits: 16, allocate: (n): Uint16Array => new Uint16Array(n) },
  I8: { bits: 8, allocate: (n): Int8Array => new Int8Array(n) },
  U8: { bits: 8, allocate: (n): Uint8Array => new Uint8Array(n) },
  BOOL: { bits: 8, allocate: (n): Uint8Array => new Uint8Array(n) },
  F8_E4M3: { bits: 8, allocate: (n): Uint8Array => new Uint8Array(n) },
  F8_E5M2: { bits: 8, allocate: (n): Uint8Array => new Uint8Array(n) },
  F8_E8M0: { bits: 8 },
  F8_E4M3FNUZ: { bits: 8 },
  F8_E5M2FNUZ: { bits: 8 },
  F6_E2M3: { bits: 6 },
  F6_E3M2: { bits: 6 },
  F4: { bits: 4 },
  C64: { bits: 64 },
} as const satisfies Record<string, DtypeTraits>;

export type SafetensorsDtype = keyof typeof SAFETENSORS_DTYPES;

export function isSafetensorsDtype(name: string): name is SafetensorsDtype {
  return Object.hasOwn(SAFETENSORS_DTYPES, name);
}

export function dtypeTraits(dtype: SafetensorsDtype): DtypeTraits {
  return SAFETENSORS_DTYPES[dtype];
}
