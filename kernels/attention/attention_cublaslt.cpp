// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>
#include <string>

#include "core/error.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/expert_gemm/cublas_workspace.hpp"
#include "kernels/expert_gemm/cublaslt_choice.hpp"
#include "kernels/expert_gemm/device_matrix.hpp"
#include "runtime/device_fill.hpp"

namespace moecal::kernels {
namespace {

/// One of the two products, of the heads that share a head of keys: its rows are theirs.
ExpertGemmProblem product_of(const AttentionShape& shape, const std::string& layout) {
  const std::int64_t rows = shape.heads / shape.kv_heads * shape.sequence;
  return {.shape = layout == "TN" ? ExpertGemmShape{rows, shape.sequence, shape.head_size}
                                  : ExpertGemmShape{rows, shape.head_size, shape.sequence},
          .a = shape.type,
          .b = shape.type,
          .c = shape.type,
          .scale_mode = "none",
          .layout = layout};
}

/// Scores are queries by keys, both stored along the summed head_size; the result is probabilities
/// by values, whose rows are summed over.
ExpertGemmProblem scores_product(const AttentionShape& shape) { return product_of(shape, "TN"); }
ExpertGemmProblem values_product(const AttentionShape& shape) { return product_of(shape, "NN"); }

CublasLtPlan plan_of(const AttentionShape& shape, const ExpertGemmProblem& product) {
  return batched(plan_cublaslt(product), shape.batch * shape.kv_heads);
}

class CublasLtAttention final : public Attention {
 public:
  explicit CublasLtAttention(const AttentionSetup& setup)
      : shape_{setup.shape},
        handle_{make_cublaslt_handle()},
        scores_{
            plan_of(shape_, scores_product(shape_)), {nullptr, nullptr, score_scale()}, handle_},
        values_{plan_of(shape_, values_product(shape_)), {}, handle_},
        workspace_{kCublasWorkspaceBytes} {
    for (int set = 0; set < setup.sets; ++set) add_set(setup.operands);
    std::vector<CublasLtAddresses> scores, values;
    for (const auto& set : sets_) {
      scores.push_back(set.scores_addresses());
      values.push_back(set.values_addresses());
    }
    scores_choice_ = choose_algorithm(scores_, scores, workspace(), kTimingOfSeveral);
    values_choice_ = choose_algorithm(values_, values, workspace(), kTimingOfSeveral);
    for (const auto& set : sets_)
      for (const auto* written : {&set.scores, &set.result})
        mark_unwritten(written->data(), written->size());
  }

  void launch(int set, Stream stream) override {
    const auto& buffers = sets_[static_cast<std::size_t>(set)];
    scores_.launch(buffers.scores_addresses(), scores_choice_.candidate, workspace(), stream);
    softmax_rows_cuda({shape_.query_rows(), shape_.sequence, shape_.causal, shape_.type},
                      buffers.scores.data(), stream);
    values_.launch(buffers.values_addresses(), values_choice_.candidate, workspace(), stream);
  }

  [[nodiscard]] std::vector<std::byte> result() const override {
    return from_device(shape_.type, {shape_.query_rows(), shape_.head_size}, sets_[0].result).data;
  }

  [[nodiscard]] std::vector<std::byte> result_rows(
      std::span<const std::int64_t> rows) const override {
    return rows_from_device(shape_.type, shape_.head_size, rows, sets_[0].result).data;
  }

  [[nodiscard]] std::span<std::byte> written(int set) override {
    const auto& result = sets_[static_cast<std::size_t>(set)].result;
    return {result.data(), result.size()};
  }

  [[nodiscard]] LibraryInfo library() const override {
    return {"cuBLASLt", cublaslt_version(),
            "unfused scores: " + describe(scores_choice_) + " values: " + describe(values_choice_),
            static_cast<std::int64_t>(kCublasWorkspaceBytes)};
  }

 private:
  struct Set {
    DeviceBuffer queries, keys, values, scores, result;
    [[nodiscard]] CublasLtAddresses scores_addresses() const {
      return {keys.data(), queries.data(), scores.data()};
    }
    [[nodiscard]] CublasLtAddresses values_addresses() const {
      return {values.data(), scores.data(), result.data()};
    }
  };

  [[nodiscard]] float score_scale() const {
    return static_cast<float>(1 / std::sqrt(static_cast<double>(shape_.head_size)));
  }
  [[nodiscard]] CublasLtWorkspace workspace() const {
    return {workspace_.data(), workspace_.size()};
  }
  void add_set(const AttentionOperands& operands) {
    sets_.push_back({to_device(operands.queries), to_device(operands.keys),
                     to_device(operands.values),
                     DeviceBuffer{static_cast<std::size_t>(score_bytes(shape_).value())},
                     DeviceBuffer{operands.queries.size()}});
  }

  AttentionShape shape_;
  CublasLtHandle handle_;
  CublasLtMatmul scores_, values_;
  DeviceBuffer workspace_;
  std::vector<Set> sets_;
  CublasLtChoice scores_choice_, values_choice_;
};

}  // namespace

void check_attention_cublaslt(const AttentionShape& shape, int device) {
  if (shape.sequence > kLongestScoreRow)
    throw Unsupported{"the softmax kernel takes sequences of up to " +
                      std::to_string(kLongestScoreRow) + ", not " + std::to_string(shape.sequence)};
  if (shape.batch * shape.kv_heads > std::numeric_limits<std::int32_t>::max())
    throw Unsupported{"cuBLASLt counts batches in 32 bits"};
  check_expert_gemm_cublaslt(values_product(shape), device);
  check_expert_gemm_cublaslt(scores_product(shape), device);
}

std::unique_ptr<Attention> make_attention_cublaslt(const AttentionSetup& setup) {
  return std::make_unique<CublasLtAttention>(setup);
}

}  // namespace moecal::kernels
