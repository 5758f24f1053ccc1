// Rotary position embedding of rows that lanes hold (norm_rows.cuh): the first 2 * QK_HALF values of each row turn by the
// angles of a position, tabulated in f32 [P, QK_HALF] (Su et al. 2021, equation 34). (a, b) becomes
// (a * cos - b * sin, b * cos + a * sin); products and sums are rounded apart, as the CPU and PyTorch do it.
//
// QK_HALF            R; 0: nothing turns
// QK_INTERLEAVED     0: value i turns against value i + R; 1: value 2i against value 2i + 1
// QK_ROPE_HF         1: cos, sin, both products and their sum are rounded to QK_DTYPE
// QK_TABLE_ALIGN     bytes that both tables start at a multiple of: 16, 8 or 4
//
// Where a lane's chunks lie wholly in one half, the sines of the first half are held negated, so that both halves turn alike.
//
// A value's partner is fetched by shuffles that all lanes of the warp make, whatever they hold: which chunk a lane asks for
// differs, whether it asks never does. Where a lane holds both of a pair there is nothing to fetch.

constexpr int HALF = QK_HALF;
constexpr int SHIFT = HALF % CHUNK;              // pairs in halves straddle chunks where this is not 0
constexpr int HALF_CHUNKS = HALF / CHUNK;
constexpr bool INTERLEAVED = QK_INTERLEAVED;
// Both of a pair in one lane: chunk j of a lane turns against its chunk j + APART.
constexpr bool LOCAL = !INTERLEAVED && HALF > 0 && SHIFT == 0 && HALF_CHUNKS % LANES == 0;
constexpr int APART = LOCAL ? HALF_CHUNKS / LANES : 0;
// Chunks of a lane that have angles of their own.
constexpr int TURNING = HALF == 0 ? 1 : LOCAL ? APART : HELD;
constexpr int TABLE_WORDS = QK_TABLE_ALIGN / 4;

static_assert(2 * HALF <= QK_HEAD_DIM, "no more values turn than there are");

// For each value of a chunk, or in interleaved order for each pair.
struct Angles { float cos[CHUNK], sin[CHUNK]; };

DEVICE float load_angle(const char* row, int i) {
  u32 word;
  load_words<1>(row + 4 * i, &word);
  return __uint_as_float(word);
}

// COUNT neighbouring angles from number i on.
template <int COUNT>
DEVICE void load_angles(float (&angle)[CHUNK], const char* row, u32 i) {
  constexpr int whole = HALF % 4 == 0 ? TABLE_WORDS : HALF % 2 == 0 && TABLE_WORDS >= 2 ? 2 : 1;
  constexpr int step = whole < COUNT ? whole : COUNT;
#pragma unroll
  for (int at = 0; at < COUNT; at += step) {
    u32 words[4];
    load_words<step>(row + 4 * (i + at), words);
#pragma unroll
    for (int w = 0; w < step; ++w) angle[at + w] = __uint_as_float(words[w]);
  }
}

// The first value of chunk `c` is c * CHUNK. Angles of values that do not turn are not read.
DEVICE void angles_of_chunk(Angles& angles, const char* cos, const char* sin, u32 c) {
  if constexpr (INTERLEAVED) {
    const u32 first = c * (CHUNK / 2);
    if (HALF % 4 == 0) {
      if (first < HALF) {
        load_angles<CHUNK / 2>(angles.cos, cos, first);
        load_angles<CHUNK / 2>(angles.sin, sin, first);
      }
    } else {
#pragma unroll
      for (int i = 0; i < CHUNK / 2; ++i) {
        if (first + i < HALF) angles.cos[i] = load_angle(cos, first + i), angles.sin[i] = load_angle(sin, first + i);
      }
    }
  } else if constexpr (SHIFT == 0) {
    if (c < 2 * HALF_CHUNKS) {
      const u32 first = (c < HALF_CHUNKS ? c : c - HALF_CHUNKS) * CHUNK;
      load_angles<CHUNK>(angles.cos, cos, first);
      load_angles<CHUNK>(angles.sin, sin, first);
      if constexpr (!LOCAL) {
#pragma unroll
        for (float& angle : angles.sin) angle = c < HALF_CHUNKS ? -angle : angle;
      }
    }
  } else {
#pragma unroll
    for (int i = 0; i < CHUNK; ++i) {
      const u32 e = c * CHUNK + i;
      const u32 at = e < HALF ? e : e - HALF;
      if (e < 2 * HALF) angles.cos[i] = load_angle(cos, at), angles.sin[i] = load_angle(sin, at);
    }
  }
  if constexpr (QK_ROPE_HF) {
#pragma unroll
    for (int i = 0; i < (INTERLEAVED ? CHUNK / 2 : CHUNK); ++i) round_pair<QK_DTYPE>(angles.cos[i], angles.sin[i]);
  }
}

// The angles that a lane needs for its chunks, of the rows of both tables at a position; zeros for those it does not need.
DEVICE void load_turns(Angles (&angles)[TURNING], const char* cos, const char* sin, u32 lane, bool wanted) {
#pragma unroll
  for (int j = 0; j < TURNING; ++j) {
#pragma unroll
    for (int i = 0; i < CHUNK; ++i) angles[j].cos[i] = angles[j].sin[i] = 0;
    if (wanted && holds(lane, j)) angles_of_chunk(angles[j], cos, sin, lane + j * LANES);
  }
}

// own * cos + other * sin, by the roundings that are asked for; the sum is rounded where it is stored.
DEVICE float turned(float own, float cos, float other, float sin) {
  float a = __fmul_rn(own, cos), b = __fmul_rn(other, sin);
  if constexpr (QK_ROPE_HF) round_pair<QK_DTYPE>(a, b);
  return __fadd_rn(a, b);
}

DEVICE void turn(float& a, float& b, float cos, float sin) {
  const float first = turned(a, cos, b, -sin);
  b = turned(b, cos, a, sin);
  a = first;
}

// Chunk `c` of a row, from whichever lane holds it. Every lane of the warp comes here; of a chunk that is none, anything.
DEVICE Chunk<QK_DTYPE> chunk_at(const Row& row, u32 c) {
  Chunk<QK_DTYPE> found;
#pragma unroll
  for (int j = 0; j < HELD; ++j) {
#pragma unroll
    for (int w = 0; w < Chunk<QK_DTYPE>::WORDS; ++w) {
      const u32 word = __shfl_sync(0xffffffffu, row.chunk[j].word[w], static_cast<int>(c % LANES), LANES);
      if (j == 0 || c / LANES == j) found.word[w] = word;
    }
  }
  return found;
}

DEVICE float element(const Chunk<QK_DTYPE>& chunk, int i) {
  float a, b;
  get_pair(chunk, i / 2, a, b);
  return i % 2 == 0 ? a : b;
}

// A chunk whose pairs lie in it.
DEVICE void turn_within(Chunk<QK_DTYPE>& chunk, const Angles& angles, u32 c) {
#pragma unroll
  for (int pair = 0; pair < CHUNK / 2; ++pair) {
    float a, b;
    get_pair(chunk, pair, a, b);
    if (c * (CHUNK / 2) + pair >= HALF) continue;
    turn(a, b, angles.cos[pair], angles.sin[pair]);
    set_pair(chunk, pair, a, b);
  }
}

DEVICE void turn_between(Chunk<QK_DTYPE>& first, Chunk<QK_DTYPE>& second, const Angles& angles) {
#pragma unroll
  for (int pair = 0; pair < CHUNK / 2; ++pair) {
    float a[2], b[2];
    get_pair(first, pair, a[0], a[1]);
    get_pair(second, pair, b[0], b[1]);
#pragma unroll
    for (int i = 0; i < 2; ++i) turn(a[i], b[i], angles.cos[2 * pair + i], angles.sin[2 * pair + i]);
    set_pair(first, pair, a[0], a[1]);
    set_pair(second, pair, b[0], b[1]);
  }
}

// A chunk whose partners lie in others: above[i] stands HALF values behind value i, below[i] as many before it.
DEVICE void turn_against(Chunk<QK_DTYPE>& chunk, const float (&above)[CHUNK], const float (&below)[CHUNK],
                         const Angles& angles, u32 c) {
#pragma unroll
  for (int pair = 0; pair < CHUNK / 2; ++pair) {
    float own[2];
    get_pair(chunk, pair, own[0], own[1]);
#pragma unroll
    for (int k = 0; k < 2; ++k) {
      const int i = 2 * pair + k;
      const u32 e = c * CHUNK + i;
      if (SHIFT != 0 && e >= 2 * HALF) continue;
      if constexpr (SHIFT == 0) own[k] = turned(own[k], angles.cos[i], above[i], angles.sin[i]);
      else own[k] = e < HALF ? turned(own[k], angles.cos[i], above[i], -angles.sin[i])
                             : turned(own[k], angles.cos[i], below[i], angles.sin[i]);
    }
    set_pair(chunk, pair, own[0], own[1]);
  }
}

DEVICE void fetch_partners(const Row& row, u32 c, float (&above)[CHUNK], float (&below)[CHUNK]) {
  if constexpr (SHIFT == 0) {
    const Chunk<QK_DTYPE> other = chunk_at(row, c < HALF_CHUNKS ? c + HALF_CHUNKS : c - HALF_CHUNKS);
#pragma unroll
    for (int i = 0; i < CHUNK; ++i) above[i] = below[i] = element(other, i);
  } else {
    const Chunk<QK_DTYPE> after = chunk_at(row, c + HALF_CHUNKS), next = chunk_at(row, c + HALF_CHUNKS + 1);
    const Chunk<QK_DTYPE> before = chunk_at(row, c - HALF_CHUNKS), last = chunk_at(row, c - HALF_CHUNKS - 1);
#pragma unroll
    for (int i = 0; i < CHUNK; ++i) {
      above[i] = i + SHIFT < CHUNK ? element(after, (i + SHIFT) % CHUNK) : element(next, (i + SHIFT) % CHUNK);
      below[i] = i >= SHIFT ? element(before, (i - SHIFT + CHUNK) % CHUNK) : element(last, (i - SHIFT + CHUNK) % CHUNK);
    }
  }
}

// Turns the rows of lanes that want it. Every lane of the warp comes here.
DEVICE void rotate(Row (&rows)[ROWS], const Angles (&angles)[TURNING], u32 lane, bool wanted) {
  if constexpr (HALF > 0) {
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      if constexpr (INTERLEAVED) {
#pragma unroll
        for (int j = 0; j < HELD; ++j) if (wanted) turn_within(rows[r].chunk[j], angles[j], lane + j * LANES);
      } else if constexpr (LOCAL) {
#pragma unroll
        for (int j = 0; j < APART; ++j) if (wanted) turn_between(rows[r].chunk[j], rows[r].chunk[j + APART], angles[j]);
      } else {
        float above[HELD][CHUNK], below[HELD][CHUNK];
#pragma unroll
        for (int j = 0; j < HELD; ++j) fetch_partners(rows[r], lane + j * LANES, above[j], below[j]);
#pragma unroll
        for (int j = 0; j < HELD; ++j) {
          const u32 c = lane + j * LANES;
          if (wanted && c * CHUNK < 2 * HALF) turn_against(rows[r].chunk[j], above[j], below[j], angles[j], c);
        }
      }
    }
  }
}
