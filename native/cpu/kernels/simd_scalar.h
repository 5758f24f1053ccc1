// Sixteen virtual lanes in plain C++: the portable path, and what the vector ones are tested against bit for bit;
// simd_avx512.h says what each name means.
#pragma once

#include <cstdint>

#include "cpu/float_format.h"

namespace qknorm {

struct SimdScalar {
  static constexpr int kLanes = 16;

  struct F32 {
    float lane[kLanes];
  };
  struct F64 {
    double lane[kLanes];
  };
  struct Pair {
    F32 a, b;
  };

  static F32 splat(float x) {
    return each<F32>([&](int) { return x; });
  }
  static F32 load(const float* p) {
    return each<F32>([&](int i) { return p[i]; });
  }
  static void store(float* p, const F32& x) {
    for (int i = 0; i < kLanes; ++i) p[i] = x.lane[i];
  }
  static F32 mul(const F32& x, const F32& y) {
    return each<F32>([&](int i) { return x.lane[i] * y.lane[i]; });
  }

  static F64 splat64(double x) {
    return each<F64>([&](int) { return x; });
  }
  static F64 load(const double* p) {
    return each<F64>([&](int i) { return p[i]; });
  }
  static F64 widen(const F32& x) {
    return each<F64>([&](int i) { return double(x.lane[i]); });
  }
  static F64 add(const F64& x, const F64& y) {
    return each<F64>([&](int i) { return x.lane[i] + y.lane[i]; });
  }
  static F64 sub(const F64& x, const F64& y) {
    return each<F64>([&](int i) { return x.lane[i] - y.lane[i]; });
  }
  static F64 mul(const F64& x, const F64& y) {
    return each<F64>([&](int i) { return x.lane[i] * y.lane[i]; });
  }
  static F64 add_exact_square(const F64& sum, const F64& x) { return add(sum, mul(x, x)); }
  static double reduce(F64 x) {
    for (int half = kLanes / 2; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) x.lane[i] += x.lane[i + half];
    }
    return x.lane[0];
  }

  static F32 narrow(const F64& x) {
    return each<F32>([&](int i) {
      const float y = static_cast<float>(x.lane[i]);
      return y == y ? y : std::bit_cast<float>(0x7fc00000u);
    });
  }
  static F32 narrow_to_odd(const F64& x) {
    return each<F32>([&](int i) { return qknorm::narrow_to_odd(x.lane[i]); });
  }

  struct Bf16 {
    using Element = std::uint16_t;
    struct Packed {
      std::uint32_t lane[kLanes];
    };
    static constexpr bool kInterleaved = true;
    static constexpr Element kOne = 0x3f80;

    static Pair load(const Element* p) {
      return {each<F32>([&](int i) { return decode_bf16(p[2 * i]); }),
              each<F32>([&](int i) { return decode_bf16(p[2 * i + 1]); })};
    }
    static void store(Element* p, const Packed& a, const Packed& b) {
      for (int i = 0; i < kLanes; ++i) {
        p[2 * i] = static_cast<Element>(a.lane[i]);
        p[2 * i + 1] = static_cast<Element>(b.lane[i]);
      }
    }
    static F32 value(const Packed& x) {
      return each<F32>([&](int i) { return decode_bf16(static_cast<Element>(x.lane[i])); });
    }
    static Packed round(const F32& x) {
      return each<Packed>([&](int i) { return round_f32_to_bf16(x.lane[i]); });
    }
    struct Nearby {
      Packed rounded;
      Packed moved;
    };
    template <int kUlps>
    static Nearby round_nearby(const F32& x) {
      const auto moved = each<Packed>([&](int i) { return std::bit_cast<std::uint32_t>(x.lane[i]) + 0x8000 + kUlps; });
      return {each<Packed>([&](int i) { return moved.lane[i] >> 16; }), moved};
    }
    template <int kUlps>
    static bool any_doubtful(const Nearby& a, const Nearby& b) {
      std::uint32_t any = 0;
      for (int i = 0; i < kLanes; ++i) any |= doubtful<kUlps>(a.moved.lane[i]) | doubtful<kUlps>(b.moved.lane[i]);
      return any != 0;
    }
    template <int kUlps>
    static std::uint32_t doubtful_lanes(const Nearby& x) {
      std::uint32_t lanes = 0;
      for (int i = 0; i < kLanes; ++i) lanes |= doubtful<kUlps>(x.moved.lane[i]) << i;
      return lanes;
    }
    static void spill(const Packed& x, Element* lanes) {
      for (int i = 0; i < kLanes; ++i) lanes[i] = static_cast<Element>(x.lane[i]);
    }
    static Packed fill(const Element* lanes) {
      return each<Packed>([&](int i) { return std::uint32_t(lanes[i]); });
    }

   private:
    template <int kUlps>
    static std::uint32_t doubtful(std::uint32_t moved) {
      return (moved & 0xffff) <= 2 * kUlps;
    }
  };

  struct F16 {
    using Element = std::uint16_t;
    struct Packed {
      std::uint32_t lane[kLanes];
    };
    static constexpr bool kInterleaved = false;
    static constexpr Element kOne = 0x3c00;

    static Pair load(const Element* p) { return {value(fill(p)), value(fill(p + kLanes))}; }
    static void store(Element* p, const Packed& a, const Packed& b) {
      spill(a, p);
      spill(b, p + kLanes);
    }
    static F32 value(const Packed& x) {
      return each<F32>([&](int i) { return decode_f16(x.lane[i]); });
    }
    static Packed round(const F32& x) {
      return each<Packed>([&](int i) { return round_f32_to_f16(x.lane[i]); });
    }
    struct Nearby {
      Packed rounded, other;
    };
    template <int kUlps>
    static Nearby round_nearby(const F32& x) {
      constexpr float kWidth = kUlps * 0x1p-23f;
      return {round(mul(x, splat(1 - kWidth))), round(mul(x, splat(1 + kWidth)))};
    }
    template <int kUlps>
    static bool any_doubtful(const Nearby& a, const Nearby& b) {
      std::uint32_t differs = 0;
      for (int i = 0; i < kLanes; ++i) {
        differs |= (a.rounded.lane[i] ^ a.other.lane[i]) | (b.rounded.lane[i] ^ b.other.lane[i]);
      }
      return differs != 0;
    }
    template <int kUlps>
    static std::uint32_t doubtful_lanes(const Nearby& x) {
      std::uint32_t lanes = 0;
      for (int i = 0; i < kLanes; ++i) lanes |= std::uint32_t(x.rounded.lane[i] != x.other.lane[i]) << i;
      return lanes;
    }
    static void spill(const Packed& x, Element* lanes) {
      for (int i = 0; i < kLanes; ++i) lanes[i] = static_cast<Element>(x.lane[i]);
    }
    static Packed fill(const Element* lanes) {
      return each<Packed>([&](int i) { return std::uint32_t(lanes[i]); });
    }
  };

 private:
  template <typename Vector, typename Lane>
  static Vector each(Lane lane) {
    Vector v;
    for (int i = 0; i < kLanes; ++i) v.lane[i] = lane(i);
    return v;
  }
};

}  // namespace qknorm
