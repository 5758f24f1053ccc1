// What qk_norm.cu and row_norm.cu compute, for the stand-in driver: the macros they were compiled with are in the text of the
// module. Plain loops in double over the same arguments, so that a wrong address, stride or macro shows in the result.
#pragma once

#include <math.h>

#include "cuda-fake.h"

struct NormSide {
  Address x, y, weight, bias;
  long long x_token, x_head, y_token, y_head, weight_head;
  float eps;
  unsigned heads;
};

struct Norm { int dtype, weight, bias, weight_dtype, kind, offset, hf, in_place; unsigned length; };

static int macro(const char* text, const char* name, int otherwise) {
  char wanted[64];
  snprintf(wanted, sizeof wanted, "-D%s=", name);
  const char* found = strstr(text, wanted);
  return found ? atoi(found + strlen(wanted)) : otherwise;
}

static int width_of(int dtype) { return dtype == 0 ? 4 : 2; }

static double load(Address at, int dtype) {
  if (dtype == 0) return *(float*)at;
  if (dtype == 2) return (double)*(_Float16*)at;
  unsigned bits = (unsigned)*(unsigned short*)at << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

static double rounded(double value, int dtype) {
  if (dtype == 0) return (float)value;
  if (dtype == 2) return (double)(_Float16)value;
  float narrow = (float)value;
  unsigned bits;
  memcpy(&bits, &narrow, 4);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  memcpy(&narrow, &bits, 4);
  return narrow;
}

static void store(Address at, int dtype, double value) {
  if (dtype == 0) { *(float*)at = (float)value; return; }
  if (dtype == 2) { *(_Float16*)at = (_Float16)value; return; }
  float narrow = (float)rounded(value, 1);
  unsigned bits;
  memcpy(&bits, &narrow, 4);
  *(unsigned short*)at = (unsigned short)(bits >> 16);
}

static void normalize_row(const struct Norm* norm, Address x, Address y, Address weight, Address bias, double eps) {
  double mean = 0, squares = 0;
  int width = width_of(norm->dtype), affine = width_of(norm->weight_dtype);
  for (unsigned i = 0; norm->kind == 1 && i < norm->length; ++i) mean += load(x + i * width, norm->dtype) / norm->length;
  for (unsigned i = 0; i < norm->length; ++i) squares += pow(load(x + i * width, norm->dtype) - mean, 2);
  double scale = 1 / sqrt((norm->kind == 2 ? squares : squares / norm->length) + eps);
  if (norm->kind == 3) scale = 1 / (sqrt(squares) < eps ? eps : sqrt(squares));
  for (unsigned i = 0; i < norm->length; ++i) {
    double value = (load(x + i * width, norm->dtype) - mean) * scale;
    if (norm->hf) value = rounded(value, norm->dtype);
    if (norm->weight) value *= norm->offset + load(weight + i * affine, norm->weight_dtype);
    if (norm->bias) value = (norm->hf ? rounded(value, norm->dtype) : value) + load(bias + i * affine, norm->weight_dtype);
    store(y + i * width, norm->dtype, value);
  }
}

/** False if a row does not lie in memory that is live. */
static int normalize_side(const struct Norm* norm, const struct NormSide* side, unsigned tokens, unsigned heads,
                          int (*is_live)(Address, size_t)) {
  size_t row = (size_t)norm->length * width_of(norm->dtype), affine = (size_t)norm->length * width_of(norm->weight_dtype);
  for (unsigned token = 0; token < tokens; ++token) {
    for (unsigned head = 0; head < heads; ++head) {
      Address x = side->x + token * side->x_token + head * side->x_head;
      Address y = norm->in_place ? x : side->y + token * side->y_token + head * side->y_head;
      Address weight = side->weight + head * side->weight_head, bias = side->bias + head * side->weight_head;
      if (!is_live(x, row) || !is_live(y, row) || (norm->weight && !is_live(weight, affine)) ||
          (norm->bias && !is_live(bias, affine))) return 0;
      normalize_row(norm, x, y, weight, bias, side->eps);
    }
  }
  return 1;
}

/** Runs a launch of one of the two kernels; false if it touched memory that is not live. */
static int run_norm(const char* text, const unsigned char* arguments, unsigned blocks, int rows_alone,
                    int (*is_live)(Address, size_t)) {
  struct NormSide sides[2];
  struct Norm norm = {
    macro(text, "QK_DTYPE", 0), macro(text, "QK_WEIGHT", 0), macro(text, "QK_BIAS", 0), macro(text, "QK_WEIGHT_DTYPE", 0),
    macro(text, "QK_KIND", 0), macro(text, "QK_OFFSET", 0), macro(text, "QK_HF", 0), macro(text, "QK_IN_PLACE", 0),
    (unsigned)macro(text, "QK_HEAD_DIM", 0),
  };
  if (rows_alone) {
    unsigned chunks, heads, tail = (unsigned)macro(text, "QK_TAIL", 0);
    memcpy(sides, arguments, 76);
    memcpy(&chunks, arguments + 80, 4), memcpy(&heads, arguments + 84, 4);
    norm.length = 8 * chunks - (tail ? 8 - tail : 0);
    return normalize_side(&norm, sides, blocks / heads, heads, is_live);
  }
  unsigned tokens;
  memcpy(sides, arguments, sizeof sides);
  memcpy(&tokens, arguments + 160, 4);
  return normalize_side(&norm, &sides[0], tokens, sides[0].heads, is_live) &&
         normalize_side(&norm, &sides[1], tokens, sides[1].heads, is_live);
}
