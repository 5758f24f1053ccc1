// Adds up what the pieces of attention.cu left for a row, in their order. A block takes one row.
//
// QK_THREADS   of a block
// the others: attention_span.cuh

extern "C" __global__ void __launch_bounds__(QK_THREADS) attention_join(const __grid_constant__ Args args) {
  allow_successor();
  const u32 heads = args.kv_heads * args.group;
  const int token = blockIdx.x / heads, head = blockIdx.x % heads;
  wait_for_predecessor();
  const u32 index = QK_PAGED ? sequence_at(args, token) : 0;
  if (QK_PAGED && index == NO_SEQUENCE) return;
  const Sequence sequence = sequence_of(args, index);
  if (is_long(args, sequence)) return;
  const int group = args.group;
  Tile tile;
  tile.kv_head = head / group;
  const int in_sequence = (token - sequence.first_token) * group + head % group;
  tile.first = in_sequence / QK_ROWS * QK_ROWS;
  const int left = sequence.queries * group - tile.first;
  tile.count = left < QK_ROWS ? left : QK_ROWS;
  const Cut cut = cut_of(args, sequence, seen_by_rows(args, sequence, tile.first, tile.count));
  if (cut.count == 1) return;
  const int r = in_sequence - tile.first;
  const float* states = partial_state(args, sequence, tile, cut, r);
  const float* values = partial_values(args, first_slot(args, sequence, tile, cut, r));
  const int lane = threadIdx.x % 32;
  Weights weights = {1, {0, 0}};
  if constexpr (!QK_HF) {
    State part = {NOTHING, 0};
    if (lane < cut.count) part = {states[2 * lane], states[2 * lane + 1]};
    weights = weigh<32>(part);
  }
  for (int first = 0; first < QK_HEAD_DIM; first += QK_THREADS) {
    const int element = first + threadIdx.x, read = element < QK_HEAD_DIM ? element : 0;
    float value = sum_parts(values + read, QK_HEAD_DIM, cut.count, weights.factor);
    if (!QK_HF) value = finished(value, weights.all, sink_of(args, head));
    if (element < QK_HEAD_DIM)
      store_out(args.out + (static_cast<i64>(blockIdx.x) * QK_HEAD_DIM + element) * bytes_of(QK_DTYPE), value);
  }
}
