// What candle's operators would do in several passes over memory, in one. Data is channels-last and contiguous; parameters are
// f32, and so is everything between reading and writing.
//
// Blocks of threads are one-dimensional.

#include <cuda_fp16.h>

typedef unsigned long long Count;

// Threads of a block that sums.
#define THREADS 128

__device__ inline float wide(float v) { return v; }
__device__ inline float wide(__half v) { return __half2float(v); }
template <typename T> __device__ inline T narrow(float v);
template <> __device__ inline float narrow<float>(float v) { return v; }
template <> __device__ inline __half narrow<__half>(float v) { return __float2half(v); }

// Neighbouring values that are read and written at once.
template <typename T, int N> struct alignas(sizeof(T) * N) Pack { T v[N]; };

// a / by: a division of 64 bits takes many times what one of 32 bits does.
__device__ inline Count divided(Count a, int by) { return a >> 32 ? a / by : (unsigned)a / (unsigned)by; }

__device__ inline Count here() { return (Count)blockIdx.x * blockDim.x + threadIdx.x; }

struct Sum { __device__ float operator()(float a, float b) const { return a + b; } };
struct Max { __device__ float operator()(float a, float b) const { return fmaxf(a, b); } };

// The values of all THREADS of a block taken together, in an order that does not change.
template <typename F> __device__ inline float together(float v, float *shared, F f) {
  __syncthreads();
  shared[threadIdx.x] = v;
  __syncthreads();
  for (int n = THREADS / 2; n > 0; n /= 2) {
    if (threadIdx.x < n) shared[threadIdx.x] = f(shared[threadIdx.x], shared[threadIdx.x + n]);
    __syncthreads();
  }
  return shared[0];
}

// ---- Convolutions: the pixels under each place of a 3×3 kernel, (pixel, tap, channel), as rows of a matrix.

template <typename V>
__device__ inline void columns(const V *x, V *to, Count first, Count pixels, int height, int width, int channels, int out_height,
                               int out_width, int stride, int before, int doubles, int wraps) {
  Count i = here();
  if (i >= pixels * 9 * channels) return;
  Count row = divided(i, channels), pixel = divided(row, 9);
  int c = i - row * channels, tap = row - pixel * 9;
  pixel += first;
  Count out_line = divided(pixel, out_width), image = divided(out_line, out_height);
  int column = (int)(pixel - out_line * out_width) * stride + tap % 3 - before;
  int line = (int)(out_line - image * out_height) * stride + tap / 3 - before;
  int lines = height << doubles, across = width << doubles;
  if (wraps) {
    line = (line + lines) % lines;
    column = (column + across) % across;
  }
  V v = {};
  if (line >= 0 && line < lines && column >= 0 && column < across)
    v = x[((image * height + (line >> doubles)) * width + (column >> doubles)) * channels + c];
  to[i] = v;
}

#define COLUMNS(V, NAME)                                                                                                         \
  extern "C" __global__ void NAME(const V *x, V *to, Count first, Count pixels, int height, int width, int channels,             \
                                  int out_height, int out_width, int stride, int before, int doubles, int wraps) {               \
    columns<V>(x, to, first, pixels, height, width, channels, out_height, out_width, stride, before, doubles, wraps);            \
  }
COLUMNS(uint4, columns_16)
COLUMNS(unsigned int, columns_4)
COLUMNS(unsigned short, columns_2)

// ---- Attention: (image, a, b, value) → (image, b, a, value), which is from tokens to heads and back.

template <typename V> __device__ inline void swapped(const V *x, V *to, Count count, int a, int b, int width) {
  Count i = here();
  if (i >= count) return;
  int value = i % width;
  Count row = i / width;
  Count image = row / a / b;
  to[i] = x[((image * a + row % a) * b + row / a % b) * width + value];
}

#define SWAPPED(V, NAME)                                                                                                         \
  extern "C" __global__ void NAME(const V *x, V *to, Count count, int a, int b, int width) {                                     \
    swapped<V>(x, to, count, a, b, width);                                                                                       \
  }
SWAPPED(uint4, swapped_16)
SWAPPED(unsigned int, swapped_4)
SWAPPED(unsigned short, swapped_2)

// ---- What is fused to a product: activation(product + bias + shift) + residual, with a slope below 0 before the activation.

__device__ inline float gelu(float x) { return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f)); }
__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// As `Activation` numbers them.
enum { NONE, SILU, GELU, QUICK_GELU, GEGLU };

// `y` has `inputs` values in a row, the result `outputs`, half of them for GEGLU; operands that are null are left out.
template <typename T, int N>
__device__ inline void finish(const T *y, T *to, Count packs, int inputs, int outputs, int activation, const float *bias,
                              const T *shift, int rows_of_image, const float *slope, const T *residual) {
  typedef Pack<T, N> P;
  Count i = here();
  if (i >= packs) return;
  Count at = i * N, row = divided(at, outputs);
  int column = at - row * outputs;
  const T *from = y + row * inputs + column;
  P first = *(const P *)from, second = first, left = first, result;
  if (activation == GEGLU) second = *(const P *)(from + outputs);
  if (residual) left = *(const P *)(residual + at);
  for (int k = 0; k < N; k++) {
    int c = column + k;
    float v = wide(first.v[k]);
    if (bias) v += bias[c];
    if (shift) v += wide(shift[divided(row, rows_of_image) * inputs + c]);
    if (slope && v < 0) v *= slope[c];
    if (activation == SILU) v *= sigmoid(v);
    if (activation == GELU) v = gelu(v);
    if (activation == QUICK_GELU) v *= sigmoid(1.702f * v);
    if (activation == GEGLU) v *= gelu(wide(second.v[k]) + (bias ? bias[c + outputs] : 0.0f));
    if (residual) v += wide(left.v[k]);
    result.v[k] = narrow<T>(v);
  }
  *(P *)(to + at) = result;
}

#define FINISH(T, N, NAME)                                                                                                       \
  extern "C" __global__ void NAME(const T *y, T *to, Count packs, int inputs, int outputs, int activation, const float *bias,    \
                                  const T *shift, int rows_of_image, const float *slope, const T *residual) {                  \
    finish<T, N>(y, to, packs, inputs, outputs, activation, bias, shift, rows_of_image, slope, residual);                        \
  }
FINISH(float, 4, finish_f32_4)
FINISH(float, 1, finish_f32_1)
FINISH(__half, 4, finish_f16_4)
FINISH(__half, 1, finish_f16_1)

// ---- Group norm: moments of slabs of positions, then of groups, then the values.

// Mean of each group of a slab, and its sum of squares about that mean. A block for each slab of each image. Each thread sums N
// channels over every so many positions: `of_channels` has two values for each channel of each of these lines.
template <typename T, int N>
__device__ inline void slab_moments(const T *x, float2 *to, Count positions, int channels, int groups, int slab) {
  typedef Pack<T, N> P;
  extern __shared__ float2 of_channels[];
  Count from = (Count)blockIdx.x * slab;
  int count = positions - from < slab ? positions - from : slab;
  int packs = channels / N, lines = max(1, (int)blockDim.x / packs);
  const T *rows = x + (blockIdx.y * positions + from) * channels;
  for (int i = threadIdx.x; i < packs * lines; i += blockDim.x) {
    int line = i / packs, c = i % packs * N;
    // About the first value: squares of what is far from 0 lose the digits that make the variance.
    P about = *(const P *)(rows + c);
    float sum[N] = {}, squares[N] = {};
#pragma unroll 4
    for (int p = line; p < count; p += lines) {
      P pack = *(const P *)(rows + (Count)p * channels + c);
#pragma unroll
      for (int k = 0; k < N; k++) {
        float v = wide(pack.v[k]) - wide(about.v[k]);
        sum[k] += v;
        squares[k] += v * v;
      }
    }
    for (int k = 0; k < N; k++) of_channels[line * channels + c + k] = make_float2(sum[k], squares[k]);
  }
  __syncthreads();
  for (int c = threadIdx.x; c < channels; c += blockDim.x) {
    float2 of = of_channels[c];
    for (int line = 1; line < lines; line++) {
      of.x += of_channels[line * channels + c].x;
      of.y += of_channels[line * channels + c].y;
    }
    of_channels[c] = make_float2(wide(rows[c]) + of.x / count, of.y - of.x / count * of.x);
  }
  __syncthreads();
  int members = channels / groups;
  for (int g = threadIdx.x; g < groups; g += blockDim.x) {
    float mean = 0, about = 0;
    for (int m = 0; m < members; m++) mean += of_channels[g * members + m].x;
    mean /= members;
    for (int m = 0; m < members; m++) {
      float2 of = of_channels[g * members + m];
      about += of.y + count * (of.x - mean) * (of.x - mean);
    }
    to[((Count)blockIdx.y * gridDim.x + blockIdx.x) * groups + g] = make_float2(mean, about);
  }
}

// Mean and 1 / √(variance + eps) of each group of each image, a block of 128 threads for each.
extern "C" __global__ void group_moments(const float2 *slabs, float2 *to, int count, Count positions, int members, int groups,
                                         int slab, float eps) {
  __shared__ float shared[THREADS];
  const float2 *of = slabs + (Count)blockIdx.y * count * groups + blockIdx.x;
  float mean = 0, about = 0;
  for (int s = threadIdx.x; s < count; s += THREADS)
    mean += of[(Count)s * groups].x * (min((Count)slab, positions - (Count)s * slab) / (float)positions);
  mean = together(mean, shared, Sum());
  for (int s = threadIdx.x; s < count; s += THREADS) {
    float2 m = of[(Count)s * groups];
    about += m.y + (m.x - mean) * (m.x - mean) * members * min((Count)slab, positions - (Count)s * slab);
  }
  about = together(about, shared, Sum()) / ((float)positions * members);
  if (threadIdx.x == 0) to[blockIdx.y * groups + blockIdx.x] = make_float2(mean, 1.0f / sqrtf(about + eps));
}

template <typename T, int N>
__device__ inline void group_norm(const T *x, T *to, Count packs, int positions, int channels, int groups, const float2 *moments,
                                  const float *weight, const float *bias, int silu) {
  typedef Pack<T, N> P;
  Count i = here();
  if (i >= packs) return;
  Count at = i * N, row = divided(at, channels);
  int column = at - row * channels, members = channels / groups;
  const float2 *of = moments + (row < positions ? 0 : divided(row, positions)) * groups;
  P pack = *(const P *)(x + at);
  for (int k = 0; k < N; k++) {
    float2 m = of[(column + k) / members];
    float v = (wide(pack.v[k]) - m.x) * m.y * weight[column + k] + bias[column + k];
    pack.v[k] = narrow<T>(silu ? v * sigmoid(v) : v);
  }
  *(P *)(to + at) = pack;
}

// silu(x·scale + shift)
template <typename T, int N>
__device__ inline void scaled_silu(const T *x, T *to, Count packs, int channels, const float *scale, const float *shift) {
  typedef Pack<T, N> P;
  Count i = here();
  if (i >= packs) return;
  int column = i * N - divided(i * N, channels) * channels;
  P pack = *(const P *)(x + i * N);
  for (int k = 0; k < N; k++) {
    float v = wide(pack.v[k]) * scale[column + k] + shift[column + k];
    pack.v[k] = narrow<T>(v * sigmoid(v));
  }
  *(P *)(to + i * N) = pack;
}

#define SLAB_MOMENTS(T, N, NAME)                                                                                                \
  extern "C" __global__ void NAME(const T *x, float2 *to, Count positions, int channels, int groups, int slab) {                \
    slab_moments<T, N>(x, to, positions, channels, groups, slab);                                                                \
  }
SLAB_MOMENTS(float, 4, slab_moments_f32_4)
SLAB_MOMENTS(float, 1, slab_moments_f32_1)
SLAB_MOMENTS(__half, 8, slab_moments_f16_8)
SLAB_MOMENTS(__half, 1, slab_moments_f16_1)

#define GROUP_NORM(T, NAME, SUFFIX)                                                                                              \
  extern "C" __global__ void group_norm_##SUFFIX##_4(const T *x, T *to, Count packs, int positions, int channels, int groups,  \
                                                     const float2 *moments, const float *weight, const float *bias, int silu) { \
    group_norm<T, 4>(x, to, packs, positions, channels, groups, moments, weight, bias, silu);                                     \
  }                                                                                                                              \
  extern "C" __global__ void group_norm_##SUFFIX##_1(const T *x, T *to, Count packs, int positions, int channels, int groups,  \
                                                     const float2 *moments, const float *weight, const float *bias, int silu) { \
    group_norm<T, 1>(x, to, packs, positions, channels, groups, moments, weight, bias, silu);                                     \
  }                                                                                                                              \
  extern "C" __global__ void scaled_silu_##SUFFIX##_4(const T *x, T *to, Count packs, int channels, const float *scale,         \
                                                      const float *shift) {                                                      \
    scaled_silu<T, 4>(x, to, packs, channels, scale, shift);                                                                     \
  }                                                                                                                              \
  extern "C" __global__ void scaled_silu_##SUFFIX##_1(const T *x, T *to, Count packs, int channels, const float *scale,         \
                                                      const float *shift) {                                                      \
    scaled_silu<T, 1>(x, to, packs, channels, scale, shift);                                                                     \
  }
GROUP_NORM(float, group_norm_f32, f32)
GROUP_NORM(__half, group_norm_f16, f16)

// ---- Rows: layer norm and softmax, a block of 128 threads for each.

template <typename T>
__device__ inline void layer_norm(const T *x, T *to, int width, float eps, const float *weight, const float *bias) {
  __shared__ float shared[THREADS];
  x += (Count)blockIdx.x * width;
  to += (Count)blockIdx.x * width;
  float sum = 0, squares = 0;
  for (int c = threadIdx.x; c < width; c += THREADS) sum += wide(x[c]);
  float mean = together(sum, shared, Sum()) / width;
  for (int c = threadIdx.x; c < width; c += THREADS) squares += (wide(x[c]) - mean) * (wide(x[c]) - mean);
  float scale = 1.0f / sqrtf(together(squares, shared, Sum()) / width + eps);
  for (int c = threadIdx.x; c < width; c += THREADS) to[c] = narrow<T>((wide(x[c]) - mean) * scale * weight[c] + bias[c]);
}

// In place, over rows that are queries: with `causal`, query i of `queries`, counted from `first`, sees the keys up to its own number.
template <typename T, int N> __device__ inline void softmax(T *x, int width, int causal, int first, int queries) {
  typedef Pack<T, N> P;
  __shared__ float shared[THREADS];
  x += (Count)blockIdx.x * width;
  int seen = causal ? min(width, first + (int)(blockIdx.x % queries) + 1) : width;
  float largest = -INFINITY, sum = 0;
  for (int c = threadIdx.x * N; c < seen; c += THREADS * N) {
    P pack = *(const P *)(x + c);
    for (int k = 0; k < N; k++)
      if (c + k < seen) largest = fmaxf(largest, wide(pack.v[k]));
  }
  largest = together(largest, shared, Max());
  for (int c = threadIdx.x * N; c < seen; c += THREADS * N) {
    P pack = *(const P *)(x + c);
    for (int k = 0; k < N; k++)
      if (c + k < seen) sum += expf(wide(pack.v[k]) - largest);
  }
  float scale = 1.0f / together(sum, shared, Sum());
  for (int c = threadIdx.x * N; c < width; c += THREADS * N) {
    P pack = *(const P *)(x + c);
    for (int k = 0; k < N; k++) pack.v[k] = narrow<T>(c + k < seen ? expf(wide(pack.v[k]) - largest) * scale : 0.0f);
    *(P *)(x + c) = pack;
  }
}

#define ROWS(T, SUFFIX)                                                                                                          \
  extern "C" __global__ void layer_norm_##SUFFIX(const T *x, T *to, int width, float eps, const float *weight,                  \
                                                 const float *bias) {                                                            \
    layer_norm<T>(x, to, width, eps, weight, bias);                                                                              \
  }                                                                                                                              \
  extern "C" __global__ void softmax_##SUFFIX##_4(T *x, int width, int causal, int first, int queries) {                        \
    softmax<T, 4>(x, width, causal, first, queries);                                                                             \
  }                                                                                                                              \
  extern "C" __global__ void softmax_##SUFFIX##_1(T *x, int width, int causal, int first, int queries) {                        \
    softmax<T, 1>(x, width, causal, first, queries);                                                                             \
  }
ROWS(float, f32)
ROWS(__half, f16)
