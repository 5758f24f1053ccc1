// A cuBLASLt for tests: plain loops on the memory of cuda-fake.c's device, queued as its kernels are.
#include "cuda-fake.h"

enum { F32 = 0, F16 = 2, BF16 = 14 };
struct Layout { int type; unsigned long long rows, columns; long long stride; };
struct Operation { int transposed, biased; Address bias; };
struct Heuristic { unsigned long long way[8]; size_t workspace; int state; float waves; int reserved[4]; };
struct Product { struct Operation operation; struct Layout a, b, c, d; float beta; Address at, bt, ct, dt, scratch; size_t scratch_bytes; };

API size_t cublasLtGetVersion(void) { return setting("cublasLt", 120400); }
API const char* cublasLtGetStatusName(int status) { return status == 15 ? "CUBLAS_STATUS_NOT_SUPPORTED" : "CUBLAS_STATUS_SCRIPTED"; }
API int cublasLtCreate(void** handle) { static int one; SCRIPTED(cublasLtCreate); note("cublasLtCreate"); *handle = &one; return 0; }
API int cublasLtMatmulDescCreate(struct Operation** operation, int compute, int scale) {
  if (compute != 68 || scale != F32) return 7;
  *operation = calloc(1, sizeof **operation);
  return 0;
}
API int cublasLtMatmulDescDestroy(struct Operation* operation) { note("product plan freed"); free(operation); return 0; }
API int cublasLtMatmulDescSetAttribute(struct Operation* operation, int attribute, const void* value, size_t bytes) {
  if (attribute == 3 && bytes == 4) operation->transposed = *(const int*)value;
  else if (attribute == 7 && bytes == 4) operation->biased = *(const int*)value == 4;
  else if (attribute == 8 && bytes == 8) operation->bias = *(const Address*)value;
  else return 7;
  return 0;
}
API int cublasLtMatrixLayoutCreate(struct Layout** layout, int type, unsigned long long rows, unsigned long long columns, long long stride) {
  if (stride < (long long)rows) return 7;
  *layout = malloc(sizeof **layout);
  **layout = (struct Layout){type, rows, columns, stride};
  return 0;
}
API int cublasLtMatrixLayoutDestroy(struct Layout* layout) { free(layout); return 0; }
API int cublasLtMatmulPreferenceCreate(int** preference) { *preference = calloc(16, sizeof(int)); return 0; }
API int cublasLtMatmulPreferenceDestroy(int* preference) { free(preference); return 0; }
API int cublasLtMatmulPreferenceSetAttribute(int* preference, int attribute, const void* value, size_t bytes) {
  if (!(attribute == 1 && bytes == 8) && !(attribute == 3 && bytes == 4) && !(attribute >= 5 && attribute <= 8 && bytes == 4)) return 7;
  preference[attribute] = *(const int*)value;
  return 0;
}
API int cublasLtMatmulAlgoGetHeuristic(void* handle, struct Operation* operation, struct Layout* a, struct Layout* b, struct Layout* c,
                                       struct Layout* d, int* preference, int asked, struct Heuristic* found, int* count) {
  (void)handle; (void)asked;
  SCRIPTED(cublasLtMatmulAlgoGetHeuristic);
  if (preference[3] != 2) { note("a product may be reduced in its own dtype"); return 7; }
  if (!operation->transposed || a->rows != b->rows || d->rows != a->columns || d->columns != b->columns || c->rows != d->rows) return 7;
  note("product plan %llu %llu %llu type %d alignment %d%s", b->columns, a->columns, a->rows, a->type, preference[5],
       operation->biased ? " bias" : "");
  memset(found, 0, sizeof *found);
  found->workspace = setting("workspace", 0);
  *count = setting("ways", 1);
  return 0;
}

static float read_one(Address at, long long i, int type) {
  if (type == F32) return ((const float*)at)[i];
  if (type == F16) return (float)((const _Float16*)at)[i];
  unsigned bits = (unsigned)((const unsigned short*)at)[i] << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}
static void write_one(Address at, long long i, int type, float value) {
  if (type == F32) { ((float*)at)[i] = value; return; }
  if (type == F16) { ((_Float16*)at)[i] = (_Float16)value; return; }
  unsigned bits;
  memcpy(&bits, &value, 4);
  ((unsigned short*)at)[i] = (bits & 0x7fffffffu) > 0x7f800000u ? bits >> 16 | 0x40u : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}
static int reaches(Address at, const struct Layout* layout) {
  size_t width = layout->type == F32 ? 4 : 2;
  return fake_is_live(at, ((layout->columns - 1) * layout->stride + layout->rows) * width);
}
static void multiply(const void* arguments) {
  const struct Product* p = arguments;
  int live = reaches(p->at, &p->a) && reaches(p->bt, &p->b) && reaches(p->ct, &p->c) && reaches(p->dt, &p->d) &&
             (!p->operation.biased || fake_is_live(p->operation.bias, p->d.rows * (p->d.type == F32 ? 4 : 2))) &&
             (p->scratch_bytes == 0 || fake_is_live(p->scratch, p->scratch_bytes));
  if (!live) { note("dead memory"); return; }
  for (unsigned long long j = 0; j < p->d.columns; ++j) {
    for (unsigned long long i = 0; i < p->d.rows; ++i) {
      double sum = p->operation.biased ? read_one(p->operation.bias, i, p->d.type) : 0;
      for (unsigned long long k = 0; k < p->a.rows; ++k) {
        sum += (double)read_one(p->at, i * p->a.stride + k, p->a.type) * read_one(p->bt, j * p->b.stride + k, p->b.type);
      }
      if (p->beta != 0) sum += p->beta * read_one(p->ct, j * p->c.stride + i, p->c.type);
      write_one(p->dt, j * p->d.stride + i, p->d.type, (float)sum);
    }
  }
}
API int cublasLtMatmul(void* handle, struct Operation* operation, const float* alpha, Address a, struct Layout* a_layout, Address b,
                       struct Layout* b_layout, const float* beta, Address c, struct Layout* c_layout, Address d, struct Layout* d_layout,
                       const void* way, Address scratch, size_t scratch_bytes, void* stream) {
  (void)handle; (void)way;
  SCRIPTED(cublasLtMatmul);
  if (*alpha != 1) return 7;
  const struct Product product = {*operation, *a_layout, *b_layout, *c_layout, *d_layout, *beta, a, b, c, d, scratch, scratch_bytes};
  note("product %llu %llu %llu workspace %zu", d_layout->columns, d_layout->rows, a_layout->rows, scratch_bytes);
  fake_queue(stream, multiply, &product, sizeof product);
  return 0;
}
