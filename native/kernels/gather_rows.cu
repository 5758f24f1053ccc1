// Rows of a table: y[t] = table[ids[t]], each element rounded once. A thread takes one chunk of 8 elements of y.
//
// QK_FROM        0 f32, 1 bf16, 2 f16: the table
// QK_TO          the same: y
// QK_FROM_ALIGN  bytes that the table's address and the bytes between its rows are multiples of: 16, 8, 4 or 2 (f32: 4 or more)
// QK_TO_ALIGN    the same for y
// QK_TAIL        elements of a row's last chunk, 1 to 7; 0: it is whole

struct Args {
  const char* table;
  const int* ids;
  char* y;
  i64 table_stride, y_stride;   // bytes between rows
  u32 chunks, rows;             // ceil(width / 8)
  u32 table_rows;
  Faults* faults;               // of ids that are not below it, which take the last row
};

extern "C" __global__ void __launch_bounds__(256) gather_rows(const __grid_constant__ Args args) {
  const u32 index = blockIdx.x * blockDim.x + threadIdx.x;
  const u32 row = index / args.chunks, c = index % args.chunks;
  allow_successor();
  wait_for_predecessor();
  if (row >= args.rows) return;
  const int count = QK_TAIL && c == args.chunks - 1 ? QK_TAIL : CHUNK;
  u32 id = args.ids[row];
  if (id >= args.table_rows) {
    if (c == 0) tell_fault(args.faults, GATHERED_ROW, id, args.table_rows, row);
    id = args.table_rows - 1;
  }
  const char* from = args.table + id * args.table_stride + static_cast<i64>(c) * CHUNK * bytes_of(QK_FROM);
  const auto x = load_part<QK_FROM, QK_FROM_ALIGN>(from, count);
  Chunk<QK_TO> y;
#pragma unroll
  for (int pair = 0; pair < CHUNK / 2; ++pair) {
    float a, b;
    get_pair(x, pair, a, b);
    set_pair(y, pair, a, b);
  }
  store_part<QK_TO, QK_TO_ALIGN>(args.y + row * args.y_stride + static_cast<i64>(c) * CHUNK * bytes_of(QK_TO), y, count);
}
