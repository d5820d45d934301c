// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/dtype.hpp"
#include "core/observation.hpp"
#include "core/periodic_bytes.hpp"
#include "core/work.hpp"
#include "runtime/stream.hpp"

/// The core of scaled dot-product attention, softmax(Q K^T / sqrt(head_size)) V, without the
/// projections around it (those are expert_gemm's). Neighbouring heads of queries may share a head
/// of keys and values (grouped-query attention).
///
/// Unfused, the scores are written to memory, made probabilities there, and read again; a fused
/// kernel keeps them on the chip. Both are measured, and each has bytes of its own.
namespace moecal::kernels {

struct AttentionShape {
  std::int64_t batch = 0;
  std::int64_t sequence = 0;   // queries of a head, and as many keys
  std::int64_t heads = 0;      // of queries
  std::int64_t kv_heads = 0;   // of keys and values: divides heads
  std::int64_t head_size = 0;  // elements of one query, key or value
  bool causal = true;          // query i sees keys 0 to i
  Dtype type = Dtype::bf16;    // of operands, scores and result: f32, f16 or bf16
  [[nodiscard]] std::int64_t query_rows() const { return batch * heads * sequence; }
  [[nodiscard]] std::int64_t key_rows() const { return batch * kv_heads * sequence; }
};

/// Row-major, heads outside the sequence: queries and result [batch, heads, sequence, head_size],
/// keys and values [batch, kv_heads, sequence, head_size].
struct AttentionOperands {
  PeriodicBytes queries, keys, values;
};

/// @throws InvalidInput if a size is not positive, kv_heads does not divide heads, or the type is
/// none of those above.
void check_shape(const AttentionShape& shape);

/// Bytes of the scores [batch, heads, sequence, sequence]: causal or not, all are stored.
[[nodiscard]] Bytes score_bytes(const AttentionShape& shape);
/// What one buffer set takes, unfused: operands, result and scores.
[[nodiscard]] Bytes attention_memory(const AttentionShape& shape);

/// Unfused. Two products of 2 batch heads sequence^2 head_size FLOPs each, halved if causal: what
/// the result needs, not what two full products do. Bytes: operands and result once, the scores
/// written and read twice (product and softmax each; softmax reads half of them if causal).
[[nodiscard]] Work attention_work(const AttentionShape& shape);
/// Fused: the same FLOPs, and operands and result once, which is also what a buffer set takes.
[[nodiscard]] Work fused_attention_work(const AttentionShape& shape);

/// Uniform in [-1, 1].
[[nodiscard]] AttentionOperands make_attention_operands(const AttentionShape& shape,
                                                        std::uint64_t seed);

/// The definition: one row of the result [batch x heads x sequence, head_size], in double.
[[nodiscard]] std::vector<double> attention_row_cpu(const AttentionShape& shape,
                                                    const AttentionOperands& operands,
                                                    std::int64_t row);
/// The oracle: all rows, rounded once.
[[nodiscard]] std::vector<std::byte> attention_cpu(const AttentionShape& shape,
                                                   const AttentionOperands& operands);

/// The rows of the result that a verification looks at: all up to 2^28 FLOP, above that 64 spread
/// over all of them, the first and the last among them.
[[nodiscard]] std::vector<std::int64_t> attention_rows_to_check(const AttentionShape& shape);
/// Of each of those rows [attention_rows_to_check, head_size] the largest difference over the row's
/// largest magnitude, and of those the largest.
[[nodiscard]] VerificationResult check_attention_rows(const AttentionShape& shape,
                                                      const AttentionOperands& operands,
                                                      const std::vector<std::byte>& result_rows);
/// The same of a whole result.
[[nodiscard]] VerificationResult check_attention(const AttentionShape& shape,
                                                 const AttentionOperands& operands,
                                                 const std::vector<std::byte>& result);

/// Scores of many queries: [rows, sequence], row-major; row r is of query r modulo sequence.
struct ScoreRows {
  std::int64_t rows = 0;
  std::int64_t sequence = 0;
  bool causal = true;
  Dtype type = Dtype::bf16;
};
inline constexpr std::int64_t kLongestScoreRow = 32768;  // of softmax_rows_cuda

/// Makes probabilities of scores, in place: softmax over the keys that a query sees, in f32, and 0
/// for the others.
void softmax_rows_cpu(const ScoreRows& rows, void* scores);
/// The same in device memory. Enqueues on `stream`, does not synchronise. Any length up to
/// kLongestScoreRow and any alignment is right; rows of a multiple of 8 elements that start at a
/// multiple of 16 bytes are accessed 16 bytes at a time, each element read once and written once.
/// @throws Unsupported if rows are longer, Error if the launch fails.
void softmax_rows_cuda(const ScoreRows& rows, void* scores, Stream stream);

/// Attention that a library was prepared for: owns its copies of the operands, scores and results.
class Attention {
 public:
  virtual ~Attention() = default;
  /// All of it on buffer set `set`. CUDA: enqueued on `stream`; CPU: done on return.
  virtual void launch(int set, Stream stream) = 0;
  /// Of buffer set 0, after the device's work is done. Synchronous.
  [[nodiscard]] virtual std::vector<std::byte> result() const = 0;
  /// Those rows of it, one after the other.
  [[nodiscard]] virtual std::vector<std::byte> result_rows(
      std::span<const std::int64_t> rows) const = 0;
  /// The result of buffer set `set`, where the library has it.
  [[nodiscard]] virtual std::span<std::byte> written(int set) = 0;
  [[nodiscard]] virtual LibraryInfo library() const = 0;
};

struct AttentionSetup {
  const AttentionShape& shape;
  const AttentionOperands& operands;  // copied
  int sets = 1;
};

/// oneDNN on the CPU: product, later keys hidden if causal, softmax, product. f32, and bf16 where
/// the CPU has it. check_...: @throws Unsupported with the reason if this machine cannot do it.
void check_attention_onednn(const AttentionShape& shape);
[[nodiscard]] std::unique_ptr<Attention> make_attention_onednn(const AttentionSetup& setup);

/// Batched products of cuBLASLt, FP32 accumulation, around softmax_rows_cuda: f16, bf16 and f32.
/// The query heads that share a head of keys are one product, which reads that head once; the
/// fastest of the heuristic's candidates is used. Only in builds with CUDA.
void check_attention_cublaslt(const AttentionShape& shape, int device);
[[nodiscard]] std::unique_ptr<Attention> make_attention_cublaslt(const AttentionSetup& setup);

}  // namespace moecal::kernels
