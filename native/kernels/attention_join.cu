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

  State whole = {sink_of(args, head), QK_SINKS < 0 ? 0.0f : 1.0f};
  if constexpr (!QK_HF) {
    for (int piece = 0; piece < cut.count; ++piece) whole = joined(whole, {states[2 * piece], states[2 * piece + 1]});
  }
  for (int element = threadIdx.x; element < QK_HEAD_DIM; element += QK_THREADS) {
    float sum = 0;
    for (int piece = 0; piece < cut.count; ++piece) {
      const float value = values[piece * QK_HEAD_DIM + element];
      sum += QK_HF ? value : value * power_of(states[2 * piece] - base_of(whole.largest));
    }
    if (!QK_HF) sum = whole.sum == 0 ? 0 : sum / whole.sum;
    store_out(args.out + (static_cast<i64>(blockIdx.x) * QK_HEAD_DIM + element) * bytes_of(QK_DTYPE), sum);
  }
}
