// Elements of one strided view into another of the same shape. A thread moves one piece: neighbours in both views.
//
// QK_BYTES   of a piece: 2, 4, 8 or 16; addresses and strides are multiples of it
// QK_RANK    axes, 1 to 8, without that of the piece

struct Args {
  const char* from;
  char* to;
  i64 from_stride[8], to_stride[8];   // bytes
  u32 size[8];                        // pieces along each axis, the first QK_RANK in use
  u32 count;                          // of pieces
};

extern "C" __global__ void __launch_bounds__(256) copy(const __grid_constant__ Args args) {
  const u32 index = blockIdx.x * blockDim.x + threadIdx.x;
  allow_successor();
  wait_for_predecessor();
  if (index >= args.count) return;
  u32 left = index;
  const char* from = args.from;
  char* to = args.to;
#pragma unroll
  for (int axis = QK_RANK - 1; axis >= 0; --axis) {
    const u32 at = axis == 0 ? left : left % args.size[axis];
    if (axis > 0) left /= args.size[axis];
    from += at * args.from_stride[axis];
    to += at * args.to_stride[axis];
  }
  if constexpr (QK_BYTES == 2) {
    store_half_word(to, load_half_word(from));
  } else {
    u32 words[QK_BYTES / 4];
    load_words<QK_BYTES / 4>(from, words);
    store_words<QK_BYTES / 4>(to, words);
  }
}
