// Attention in f16 without its scores in memory: softmax as it goes (Milakov and Gimelshein, 2018), tiles of keys and values in shared
// memory (Dao et al., "FlashAttention", 2022). Products are those of the tensor cores of compute capability 8.0 and newer, with sums in
// f32.
//
// q, k, v and the result are (image, token, head, value), contiguous; a head has `width` values, a multiple of 8 and at most D.

#include <cuda_fp16.h>

typedef unsigned int Pair;  // Two neighbouring halves.

// Threads of a block: four warps, each with queries of its own.
#define WARPS 4
#define ATTENTION_THREADS (32 * WARPS)

// ---- What the tensor cores and the copying hardware do. (The emulator has its own.)
#ifndef EMULATED

// d += a · b: a (16 rows, 16), b (16, 8 columns). Lane 4·g + t holds of `a` the values (g, 2t), (g + 8, 2t), (g, 2t + 8), (g + 8, 2t + 8)
// with their right neighbours, of `b` (2t, g) and (2t + 8, g) with those below, of `d` (g, 2t) and (g + 8, 2t) with their right neighbours.
__device__ inline void multiply(float *d, const Pair *a, Pair b0, Pair b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Four matrices of 8 × 8, of which lane 8·m + r names row r of matrix m. Lane 4·g + t is given (g, 2t) and its right neighbour of each.
__device__ inline void matrices(Pair *to, const __half *row) {
  unsigned at = (unsigned)__cvta_generic_to_shared(row);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(at));
}

// The same, given (2t, g) and the value below it.
__device__ inline void matrices_across(Pair *to, const __half *row) {
  unsigned at = (unsigned)__cvta_generic_to_shared(row);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(at));
}

// 16 bytes to shared memory while others compute; zeros where there is nothing.
__device__ inline void bring(__half *to, const __half *from, bool is_there) {
  unsigned at = (unsigned)__cvta_generic_to_shared(to);
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(at), "l"(from), "r"(is_there ? 16 : 0));
}
__device__ inline void sent() { asm volatile("cp.async.commit_group;\n"); }
// Waits for all that was sent but the last `left`.
template <int left> __device__ inline void arrived() { asm volatile("cp.async.wait_group %0;\n" ::"n"(left)); }

// What the lane has whose number differs in these bits.
__device__ inline float other(float v, int bits) { return __shfl_xor_sync(0xffffffff, v, bits); }
// Relative to the true one 2⁻²² off at most, and 0 where that is smaller than any normal number.
__device__ inline float power_of_two(float v) {
  asm("ex2.approx.ftz.f32 %0, %0;" : "+f"(v));
  return v;
}

#endif

__device__ inline Pair pair(float first, float second) {
  __half2 both = __floats2half2_rn(first, second);
  return *(Pair *)&both;
}

// Keys and values of `C` tokens from `first` on.
template <int D, int C>
__device__ inline void bring_tile(__half (*to_k)[D + 8], __half (*to_v)[D + 8], const __half *k, const __half *v, int first, int keys,
                                  int width, size_t stride) {
  for (int i = threadIdx.x; i < C * (D / 8); i += ATTENTION_THREADS) {
    int row = i / (D / 8), column = i % (D / 8) * 8;
    bool is_there = first + row < keys && column < width;
    size_t at = is_there ? (first + row) * stride + column : 0;
    bring(&to_k[row][column], k + at, is_there);
    bring(&to_v[row][column], v + at, is_there);
  }
  sent();
}

// A block for WARPS · 16 · M queries of one head of one image, with tiles of C keys. `scale` is that of the scores, times log₂ e.
template <int D, int M, int C>
__device__ inline void attention(const __half *q, const __half *k, const __half *v, __half *to, int queries, int keys, int heads,
                                 int width, float scale, int causal) {
  // Rows of 8 halves more than there are, so that the rows of a matrix lie in different banks.
  alignas(16) __shared__ __half of_keys[2][C][D + 8];
  alignas(16) __shared__ __half of_values[2][C][D + 8];
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const int block = blockIdx.x * WARPS * 16 * M, query = block + threadIdx.x / 32 * 16 * M + g;
  const size_t stride = (size_t)heads * width, image = blockIdx.y / heads, head = blockIdx.y % heads * (size_t)width;
  q += image * queries * stride + head;
  to += image * queries * stride + head;
  k += image * keys * stride + head;
  v += image * keys * stride + head;

  // No query of the block sees a key behind its last one.
  const int seen = causal ? min(keys, block + WARPS * 16 * M) : keys, tiles = (seen + C - 1) / C;
  bring_tile<D, C>(of_keys[0], of_values[0], k, v, 0, keys, width, stride);

  Pair wanted[M][D / 16][4];
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int d = 0; d < D / 16; d++)
#pragma unroll
      for (int i = 0; i < 4; i++) {
        int row = query + 16 * m + i % 2 * 8, column = 16 * d + 2 * t + i / 2 * 8;
        wanted[m][d][i] = row < queries && column < width ? *(const Pair *)(q + row * stride + column) : 0;
      }

  float sum[M][2], largest[M][2], result[M][D / 8][4];
#pragma unroll
  for (int m = 0; m < M; m++) {
    for (int h = 0; h < 2; h++) sum[m][h] = 0, largest[m][h] = -INFINITY;
#pragma unroll
    for (int d = 0; d < D / 8; d++)
      for (int i = 0; i < 4; i++) result[m][d][i] = 0;
  }

  for (int tile = 0; tile < tiles; tile++) {
    const int first = tile * C;
    if (tile + 1 < tiles) {
      bring_tile<D, C>(of_keys[(tile + 1) % 2], of_values[(tile + 1) % 2], k, v, first + C, keys, width, stride);
      arrived<1>();
    } else {
      arrived<0>();
    }
    __syncthreads();
    __half(*key)[D + 8] = of_keys[tile % 2], (*value)[D + 8] = of_values[tile % 2];

    float scores[M][C / 8][4] = {};
#pragma unroll
    for (int d = 0; d < D / 16; d++)
#pragma unroll
      for (int n = 0; n < C / 16; n++) {
        Pair b[4];
        matrices(b, &key[16 * n + lane % 8 + lane / 16 * 8][16 * d + lane / 8 % 2 * 8]);
#pragma unroll
        for (int m = 0; m < M; m++) {
          multiply(scores[m][2 * n], wanted[m][d], b[0], b[1]);
          multiply(scores[m][2 * n + 1], wanted[m][d], b[2], b[3]);
        }
      }

    if (first + C > keys || (causal && first + C > block))
#pragma unroll
      for (int m = 0; m < M; m++)
#pragma unroll
        for (int n = 0; n < C / 8; n++)
#pragma unroll
          for (int i = 0; i < 4; i++) {
            int at = first + 8 * n + 2 * t + i % 2, row = query + 16 * m + i / 2 * 8;
            if (at >= keys || (causal && at > row)) scores[m][n][i] = -INFINITY;
          }

#pragma unroll
    for (int m = 0; m < M; m++)
#pragma unroll
      for (int h = 0; h < 2; h++) {
        float most = largest[m][h];
#pragma unroll
        for (int n = 0; n < C / 8; n++) most = fmaxf(most, fmaxf(scores[m][n][2 * h], scores[m][n][2 * h + 1]));
        most = fmaxf(most, other(most, 1));
        most = fmaxf(most, other(most, 2));
        // The first tile has a key that every query sees, so `most` is a number from there on.
        float less = power_of_two((largest[m][h] - most) * scale), shifted = most * scale;
        largest[m][h] = most;
        sum[m][h] *= less;
#pragma unroll
        for (int d = 0; d < D / 8; d++) result[m][d][2 * h] *= less, result[m][d][2 * h + 1] *= less;
#pragma unroll
        for (int n = 0; n < C / 8; n++)
#pragma unroll
          for (int i = 2 * h; i < 2 * h + 2; i++) {
            scores[m][n][i] = power_of_two(scores[m][n][i] * scale - shifted);
            sum[m][h] += scores[m][n][i];
          }
      }

#pragma unroll
    for (int n = 0; n < C / 16; n++) {
      Pair shares[M][4];
#pragma unroll
      for (int m = 0; m < M; m++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
          const float *of = &scores[m][2 * n + i / 2][i % 2 * 2];
          shares[m][i] = pair(of[0], of[1]);
        }
#pragma unroll
      for (int d = 0; d < D / 16; d++) {
        Pair b[4];
        matrices_across(b, &value[16 * n + lane % 16][16 * d + lane / 16 * 8]);
#pragma unroll
        for (int m = 0; m < M; m++) {
          multiply(result[m][2 * d], shares[m], b[0], b[1]);
          multiply(result[m][2 * d + 1], shares[m], b[2], b[3]);
        }
      }
    }
    __syncthreads();
  }

#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int h = 0; h < 2; h++) {
      float all = sum[m][h];
      all += other(all, 1);
      all += other(all, 2);
      int row = query + 16 * m + 8 * h;
#pragma unroll
      for (int d = 0; d < D / 8; d++) {
        int column = 8 * d + 2 * t;
        if (row < queries && column < width)
          *(Pair *)(to + row * stride + column) = pair(result[m][d][2 * h] / all, result[m][d][2 * h + 1] / all);
      }
    }
}

#define ATTENTION(D, M, C)                                                                                                       \
  extern "C" __global__ void __launch_bounds__(ATTENTION_THREADS)                                                                \
      attention_##D(const __half *q, const __half *k, const __half *v, __half *to, int queries, int keys, int heads, int width,  \
                    float scale, int causal) {                                                                                   \
    attention<D, M, C>(q, k, v, to, queries, keys, heads, width, scale, causal);                                                 \
  }
ATTENTION(48, 2, 64)
ATTENTION(64, 2, 32)
ATTENTION(80, 2, 64)
ATTENTION(160, 1, 32)
