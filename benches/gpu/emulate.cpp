// The kernels of `src/model/ops/cuda` on a CPU, held to the same expressions in f64: `benches/gpu/emulate.sh`, needs g++.
//
// A thread of the system stands for each thread of a block, a barrier for `__syncthreads`; blocks run one after the other. What a warp
// does together (products of the tensor cores, matrices out of shared memory) waits for a barrier of its 32 threads.

#include <algorithm>
#include <barrier>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <vector>

using std::max;
using std::min;
using std::vector;

struct Place { unsigned x, y; };
thread_local Place threadIdx, blockIdx;
Place blockDim, gridDim;
std::barrier<> *barrier;

#define __syncthreads() barrier->arrive_and_wait()
#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(threads)

struct float2 { float x, y; };
inline float2 make_float2(float x, float y) { return {x, y}; }
struct uint4 { unsigned x, y, z, w; };
typedef _Float16 __half;
inline float __half2float(__half v) { return (float)v; }
inline __half __float2half(float v) { return (__half)v; }
inline unsigned long long min(unsigned long long a, unsigned long long b) { return a < b ? a : b; }
static float2 dynamic_memory[8192];
struct __half2 { __half x, y; };
inline __half2 __floats2half2_rn(float x, float y) { return {(__half)x, (__half)y}; }

#include "kernels.h"

// What the lanes of each warp show each other.
struct Lane { unsigned a[4], b[2]; const __half *row; float value; };
static Lane lanes[32][32];
std::barrier<> *warps[32];

static Lane *together_in_warp(Lane own) {
  Lane *warp = lanes[threadIdx.x / 32];
  warps[threadIdx.x / 32]->arrive_and_wait();
  warp[threadIdx.x % 32] = own;
  warps[threadIdx.x / 32]->arrive_and_wait();
  return warp;
}
inline float half_of(unsigned pair, int which) {
  __half halves[2];
  memcpy(halves, &pair, 4);
  return halves[which];
}
inline unsigned pair_of(__half first, __half second) {
  __half halves[2] = {first, second};
  unsigned pair;
  memcpy(&pair, halves, 4);
  return pair;
}

// As PTX lays `mma.m16n8k16` and `ldmatrix` out among the lanes.
inline void multiply(float *d, const unsigned *a, unsigned b0, unsigned b1) {
  Lane *warp = together_in_warp({{a[0], a[1], a[2], a[3]}, {b0, b1}, nullptr, 0});
  int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  for (int i = 0; i < 4; i++)
    for (int k = 0; k < 16; k++) {
      int row = g + i / 2 * 8, column = 2 * t + i % 2;
      d[i] += half_of(warp[row % 8 * 4 + k % 8 / 2].a[row / 8 + k / 8 * 2], k % 2) * half_of(warp[column * 4 + k % 8 / 2].b[k / 8], k % 2);
    }
}
inline void matrices(unsigned *to, const __half *row) {
  Lane *warp = together_in_warp({{}, {}, row, 0});
  int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  for (int m = 0; m < 4; m++) to[m] = pair_of(warp[8 * m + g].row[2 * t], warp[8 * m + g].row[2 * t + 1]);
}
inline void matrices_across(unsigned *to, const __half *row) {
  Lane *warp = together_in_warp({{}, {}, row, 0});
  int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  for (int m = 0; m < 4; m++) to[m] = pair_of(warp[8 * m + 2 * t].row[g], warp[8 * m + 2 * t + 1].row[g]);
}
inline void bring(__half *to, const __half *from, bool is_there) {
  if ((size_t)to % 16) std::abort();
  is_there ? memcpy(to, from, 16) : memset(to, 0, 16);
}
inline void sent() {}
template <int left> void arrived() {}
inline float other(float v, int bits) { return together_in_warp({{}, {}, nullptr, v})[threadIdx.x % 32 ^ bits].value; }
inline float power_of_two(float v) { return std::exp2(v); }

#define EMULATED
#include "attention.h"

// A kernel whose threads wait for each other.
template <typename F> void blocks(unsigned x, unsigned y, unsigned threads, F kernel) {
  blockDim = {threads, 1};
  gridDim = {x, y};
  for (unsigned j = 0; j < y; j++)
    for (unsigned i = 0; i < x; i++) {
      std::barrier<> here(threads);
      barrier = &here;
      vector<std::unique_ptr<std::barrier<>>> of_warps;
      for (unsigned warp = 0; warp < threads / 32; warp++) warps[warp] = of_warps.emplace_back(new std::barrier<>(32)).get();
      vector<std::thread> all;
      for (unsigned t = 0; t < threads; t++)
        all.emplace_back([&, t] {
          threadIdx = {t, 0};
          blockIdx = {i, j};
          kernel();
        });
      for (auto &thread : all) thread.join();
    }
}

// One whose threads do not, with more of them than there is to do.
template <typename F> void over(Count count, F kernel) {
  blockDim = {256, 1};
  for (unsigned block = 0; block < (count + 255) / 256; block++)
    for (unsigned t = 0; t < 256; t++) {
      threadIdx = {t, 0};
      blockIdx = {block, 0};
      kernel();
    }
}

std::mt19937 generator(1);
template <typename T> vector<T> noise(size_t count, float scale = 1, float middle = 0) {
  vector<T> values(count);
  for (auto &v : values) v = (T)(middle + scale * std::uniform_real_distribution<float>(-1, 1)(generator));
  return values;
}

double furthest = 0;
void close(const char *what, double got, double expected, double tolerance) {
  double off = std::fabs(got - expected);
  if (!(off <= tolerance * (1 + std::fabs(expected)))) {
    std::printf("%s: %g instead of %g\n", what, got, expected);
    std::exit(1);
  }
  furthest = max(furthest, off);
}

double silu_of(double v) { return v / (1 + std::exp(-v)); }
double gelu_of(double v) { return v * 0.5 * (1 + std::erf(v / std::sqrt(2.0))); }

template <typename T> void convolutions() {
  for (int kind = 0; kind < 7; kind++) {
    int doubles = kind == 3 || kind == 6, wraps = kind >= 4, before = kind == 2 ? 0 : 1;
    int stride = kind == 1 || kind == 2 || kind == 5 ? 2 : 1;
    int images = 2, h = 5, w = 7, c = 16, lines = h << doubles, across = w << doubles;
    int down = (lines + before + 1 - 3) / stride + 1, right = (across + before + 1 - 3) / stride + 1;
    auto x = noise<T>(images * h * w * c);
    for (Count first : {0, 5}) {
      Count pixels = images * down * right - first;
      vector<T> one(pixels * 9 * c), packed(one.size());
      int units = c * sizeof(T) / 16;
      over(one.size(), [&] { columns<T>(x.data(), one.data(), first, pixels, h, w, c, down, right, stride, before, doubles, wraps); });
      over(pixels * 9 * units, [&] {
        columns<uint4>((const uint4 *)x.data(), (uint4 *)packed.data(), first, pixels, h, w, units, down, right, stride, before, doubles, wraps);
      });
      for (size_t i = 0; i < one.size(); i++) {
        int k = i % c, tap = i / c % 9, pixel = i / c / 9 + first;
        int line = pixel / right % down * stride + tap / 3 - before, column = pixel % right * stride + tap % 3 - before;
        if (wraps) line = (line + lines) % lines, column = (column + across) % across;
        bool is_inside = line >= 0 && line < lines && column >= 0 && column < across;
        int image = pixel / right / down;
        double expected = is_inside ? (float)x[((image * h + line / (1 + doubles)) * w + column / (1 + doubles)) * c + k] : 0;
        close("columns", (float)one[i], expected, 0);
        close("columns, 16 bytes at once", (float)packed[i], expected, 0);
      }
    }
  }
}

template <typename T> void heads() {
  int images = 2, a = 5, b = 3, w = 8;
  auto x = noise<T>(images * a * b * w);
  vector<T> there(x.size()), back(x.size());
  over(x.size(), [&] { swapped<T>(x.data(), there.data(), x.size(), a, b, w); });
  over(x.size(), [&] { swapped<T>(there.data(), back.data(), x.size(), b, a, w); });
  for (size_t i = 0; i < x.size(); i++) {
    int k = i % w, q = i / w % b, p = i / w / b % a, image = i / w / b / a;
    close("swapped", (float)there[((image * b + q) * a + p) * w + k], (float)x[i], 0);
    close("swapped back", (float)back[i], (float)x[i], 0);
  }
}

template <typename T, int N> void finished(int outputs, double tolerance) {
  for (int activation = 0; activation < 5; activation++)
    for (int operands = 0; operands < 16; operands++) {
      if (activation == GEGLU && operands & 10) continue;
      int images = 2, of_image = 3, rows = images * of_image, inputs = activation == GEGLU ? 2 * outputs : outputs;
      auto y = noise<T>(rows * inputs), shift = noise<T>(images * inputs), residual = noise<T>(rows * outputs);
      auto bias = noise<float>(inputs), slope = noise<float>(outputs);
      vector<T> to(rows * outputs);
      over(to.size() / N, [&] {
        finish<T, N>(y.data(), to.data(), to.size() / N, inputs, outputs, activation, operands & 1 ? bias.data() : nullptr,
                     operands & 2 ? shift.data() : nullptr, of_image, operands & 8 ? slope.data() : nullptr,
                     operands & 4 ? residual.data() : nullptr);
      });
      for (size_t i = 0; i < to.size(); i++) {
        int c = i % outputs, row = i / outputs;
        auto with_bias = [&](int c) { return (float)y[row * inputs + c] + (operands & 1 ? bias[c] : 0.0); };
        double v = with_bias(c) + (operands & 2 ? (float)shift[row / of_image * inputs + c] : 0.0);
        if (operands & 8 && v < 0) v *= slope[c];
        if (activation == SILU) v = silu_of(v);
        if (activation == GELU) v = gelu_of(v);
        if (activation == QUICK_GELU) v /= 1 + std::exp(-1.702 * v);
        if (activation == GEGLU) v *= gelu_of(with_bias(c + outputs));
        close("finish", (float)to[i], v + (operands & 4 ? (float)residual[i] : 0.0), tolerance);
      }
    }
}

// Mean and deviation of a group of an image (positions, groups × members).
template <typename T> void moments_of(const T *x, int positions, int channels, int members, double &mean, double &scale) {
  double squares = mean = 0;
  for (int i = 0; i < positions * members; i++) mean += (float)x[i / members * channels + i % members] / (double)(positions * members);
  for (int i = 0; i < positions * members; i++) squares += std::pow((float)x[i / members * channels + i % members] - mean, 2);
  scale = 1 / std::sqrt(squares / (positions * members) + 1e-5);
}

template <typename T> void norms(double tolerance) {
  for (int positions : {1, 37, 70})
    for (int members : {1, 3, 10})
      for (int silu : {0, 1}) {
        int images = 2, groups = 4, slab = 16, c = groups * members, count = (positions + slab - 1) / slab;
        auto x = noise<T>(images * positions * c, 2, 30);
        auto weight = noise<float>(c), bias = noise<float>(c);
        vector<float2> slabs(images * count * groups), moments(images * groups);
        vector<T> to(x.size());
        auto slabs_of = members == 10 ? slab_moments<T, 4> : slab_moments<T, 1>;
        blocks(count, images, 32, [&] { slabs_of(x.data(), slabs.data(), positions, c, groups, slab); });
        blocks(groups, images, THREADS,
               [&] { group_moments(slabs.data(), moments.data(), count, positions, members, groups, slab, 1e-5f); });
        over(x.size() / 4, [&] {
          group_norm<T, 4>(x.data(), to.data(), x.size() / 4, positions, c, groups, moments.data(), weight.data(), bias.data(), silu);
        });
        for (size_t i = 0; i < x.size(); i++) {
          int channel = i % c, image = i / c / positions;
          double mean, scale;
          moments_of(&x[(size_t)image * positions * c + channel / members * members], positions, c, members, mean, scale);
          double v = ((float)x[i] - mean) * scale * weight[channel] + bias[channel];
          // Where a group has one value only its rounding is left.
          close("group norm", (float)to[i], silu ? silu_of(v) : v, positions * members > 1 ? max(tolerance, 2e-4) : 1e-2);
        }
      }
  for (int width : {1, 7, 320, 600}) {
    auto x = noise<T>(3 * width, 2, 5);
    auto weight = noise<float>(width), bias = noise<float>(width);
    vector<T> to(x.size());
    blocks(3, 1, THREADS, [&] { layer_norm<T>(x.data(), to.data(), width, 1e-5f, weight.data(), bias.data()); });
    for (size_t i = 0; i < x.size(); i++) {
      double mean, scale;
      moments_of(&x[i / width * width], 1, width, width, mean, scale);
      close("layer norm", (float)to[i], ((float)x[i] - mean) * scale * weight[i % width] + bias[i % width], max(tolerance, 1e-4));
    }
  }
}

template <typename T, int N> void softmaxes(int width, double tolerance) {
  for (int causal : {0, 1}) {
    int queries = 4, first = 2;
    auto x = noise<T>(2 * queries * width, 9), y = x;
    blocks(2 * queries, 1, THREADS, [&] { softmax<T, N>(y.data(), width, causal, first, queries); });
    for (int row = 0; row < 2 * queries; row++) {
      const T *of = &x[row * width];
      int seen = causal ? min(width, first + row % queries + 1) : width;
      double sum = 0, largest = (float)*std::max_element(of, of + seen);
      for (int c = 0; c < seen; c++) sum += std::exp((float)of[c] - largest);
      for (int c = 0; c < width; c++)
        close("softmax", (float)y[row * width + c], c < seen ? std::exp((float)of[c] - largest) / sum : 0, tolerance);
    }
  }
}

template <int D, int M, int C> void attentions(int queries, int keys, int width, bool causal) {
  int images = 2, heads = 2, row = heads * width;
  float scale = 1 / std::sqrt((float)width);
  auto q = noise<__half>(images * queries * row, 6), k = noise<__half>(images * keys * row), v = noise<__half>(images * keys * row);
  vector<__half> to(q.size());
  int rows = WARPS * 16 * M;
  blocks((queries + rows - 1) / rows, images * heads, ATTENTION_THREADS, [&] {
    attention<D, M, C>(q.data(), k.data(), v.data(), to.data(), queries, keys, heads, width, scale * (float)M_LOG2E, causal);
  });
  for (int image = 0; image < images; image++)
    for (int head = 0; head < heads; head++)
      for (int i = 0; i < queries; i++) {
        auto at = [&](const vector<__half> &of, int tokens, int token) { return &of[(image * tokens + token) * row + head * width]; };
        vector<double> shares(keys), expected(width);
        double sum = 0;
        for (int j = 0; j < keys; j++) {
          double score = 0;
          for (int c = 0; c < width; c++) score += (double)at(q, queries, i)[c] * (double)at(k, keys, j)[c];
          sum += shares[j] = causal && j > i ? 0 : std::exp(score * scale);
        }
        for (int j = 0; j < keys; j++)
          for (int c = 0; c < width; c++) expected[c] += shares[j] / sum * (double)at(v, keys, j)[c];
        for (int c = 0; c < width; c++) close("attention", at(to, queries, i)[c], expected[c], 2e-3);
      }
}

template <typename T> void all(const char *name, double tolerance) {
  convolutions<T>();
  heads<T>();
  finished<T, 4>(8, tolerance);
  finished<T, 1>(5, tolerance);
  norms<T>(tolerance);
  for (int width : {7, 77}) softmaxes<T, 1>(width, tolerance);
  for (int width : {320, 1024}) softmaxes<T, 4>(width, tolerance);
  std::printf("%s: all kernels agree, furthest %g\n", name, furthest);
  furthest = 0;
}

int main() {
  all<float>("f32", 3e-6);
  all<__half>("f16", 1.5e-3);
  attentions<64, 2, 32>(9, 77, 64, false);
  attentions<48, 2, 64>(130, 130, 40, true);
  attentions<80, 2, 64>(33, 65, 80, true);
  attentions<160, 1, 32>(70, 33, 160, false);
  std::printf("attention agrees, furthest %g\n", furthest);
}
