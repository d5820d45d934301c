// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/observation.hpp"
#include "core/periodic_matrix.hpp"
#include "core/routing.hpp"
#include "core/work.hpp"
#include "kernels/grouped_gemm/grouped_gemm.hpp"
#include "runtime/stream.hpp"

/// One Mixture-of-Experts layer on one device, from router logits to its output: gate, permute,
/// (FP8: quantize,) product with gate and up weights, swiglu, (quantize,) product with the down
/// weights, unpermute. One routing draw drives all of it.
namespace moecal::layers {

struct MoeLayerProblem {
  std::int64_t tokens = 0;
  std::int64_t hidden = 0;
  std::int64_t inter = 0;  // columns between an expert's two products; gates and ups are twice that
  std::int64_t experts = 0;
  std::int64_t top_k = 0;
  Dtype operands = Dtype::bf16;  // of both products: f32, bf16 or fp8_e4m3
  Dtype values = Dtype::bf16;    // of what lies between the steps: f32 or bf16
  RoutingSpec routing;
  std::string scale_mode = "none";  // of fp8_e4m3: tensor or block_128x128

  [[nodiscard]] bool quantizes() const { return operands != values; }
};

/// From a record's words: point {tokens, hidden, inter, experts, top_k, tensor_parallel 1,
/// expert_parallel 1}. @throws InvalidInput on a missing number or one that is not possible,
/// Unsupported for types or a parallelism that the layer has not.
[[nodiscard]] MoeLayerProblem moe_layer_problem(const Point& point, const Dtypes& dtypes,
                                                const RoutingSpec& routing);

/// A draw of the routing and what follows from it.
struct MoeLayerRouting {
  RoutingDraw draw;
  std::int64_t capacity = 0;
  std::vector<std::byte> logits;  // [tokens, experts] of `values`: the gate finds the draw in them

  /// Rows of each expert: what the products are given.
  [[nodiscard]] std::vector<std::int64_t> expert_rows() const;
};

/// Uniform over [-1, 1], as expert_gemm's operands.
struct MoeLayerData {
  PeriodicMatrix tokens;                // [tokens, hidden] of `values`
  PeriodicMatrix gate_up;               // [experts x 2 inter, hidden] of `operands`
  PeriodicMatrix down;                  // [experts x hidden, inter] of `operands`
  kernels::ScaleGrid gate_up_scales{};  // beside the matrix's; empty without blocks
  kernels::ScaleGrid down_scales{};
};
[[nodiscard]] MoeLayerData make_moe_layer_data(const MoeLayerProblem& problem, std::uint64_t seed);

/// Both products as grouped ones.
[[nodiscard]] kernels::GroupedGemmProblem first_product(const MoeLayerProblem& problem);
[[nodiscard]] kernels::GroupedGemmProblem second_product(const MoeLayerProblem& problem);

/// 6 hidden inter FLOPs per routed row; the weights of every expert that has a row, the tokens
/// once, the output once.
[[nodiscard]] Work moe_layer_work(const MoeLayerProblem& problem, const MoeLayerRouting& routing);

/// The definition: the output of one token [hidden], in double, without rounding in between; where
/// blocks have scales what lies between the products is rounded, and what they are given quantized,
/// as the layer's steps do it.
[[nodiscard]] std::vector<double> moe_layer_cpu(const MoeLayerProblem& problem,
                                                const MoeLayerData& data,
                                                const MoeLayerRouting& routing, std::int64_t token);

/// |output - truth| over |truth|, of a token, that rounding between the steps explains.
[[nodiscard]] double moe_layer_tolerance(const MoeLayerProblem& problem);
/// The largest of a few tokens (all, if a whole layer is quickly computed).
[[nodiscard]] VerificationResult check_moe_layer(const MoeLayerProblem& problem,
                                                 const MoeLayerData& data,
                                                 const MoeLayerRouting& routing,
                                                 const HostMatrix& output);

/// A step by itself, as the layer's launch() is.
struct LayerPart {
  std::string name;
  std::function<void(int set, Stream)> launch;
  int calls = 1;  // of the step in one launch; if several, they go over the buffer sets in turn
  int sets = 0;   // that they go over then
};

/// What the gate found on the device: of buffer set 0, after a launch.
struct GateTable {
  std::vector<std::int64_t> counts;   // [experts] before the capacity
  std::vector<std::int64_t> offsets;  // [experts + 1] after it
  std::vector<std::int32_t> row_of;   // [tokens, top_k]
};

/// A layer that a machine was prepared for.
class MoeLayer {
 public:
  virtual ~MoeLayer() = default;
  /// The whole layer on buffer set `set`. CUDA: enqueued on `stream`; CPU: done on return.
  virtual void launch(int set, Stream stream) = 0;
  /// Gives buffer set `set` another draw: new logits, and products planned anew for its rows. Not
  /// while launches run. Synchronous.
  virtual void redraw(int set, const MoeLayerRouting& routing) = 0;
  /// [tokens, hidden] of buffer set 0, after the device's work is done. Synchronous.
  [[nodiscard]] virtual HostMatrix output() const = 0;
  /// The output of buffer set `set`, where it lies.
  [[nodiscard]] virtual std::span<std::byte> written(int set) = 0;
  [[nodiscard]] virtual GateTable gate_table() const = 0;
  /// In the order in which they run, on the draws that the sets have now; they live as long as the
  /// layer, and until a set is drawn anew.
  [[nodiscard]] virtual std::vector<LayerPart> parts() = 0;
  [[nodiscard]] virtual LibraryInfo library() const = 0;
};

struct MoeLayerSetup {
  const MoeLayerProblem& problem;
  const MoeLayerData& data;                     // copied
  const std::vector<MoeLayerRouting>& routing;  // of each buffer set
};

/// The plain loops of kernels/ on the CPU with oneDNN's products. f32 and bf16.
/// check_...: @throws Unsupported with the reason if this machine cannot do the problem.
void check_moe_layer_onednn(const MoeLayerProblem& problem);
[[nodiscard]] std::unique_ptr<MoeLayer> make_moe_layer_onednn(const MoeLayerSetup& setup);

/// Own kernels and cuBLASLt's products as one CUDA graph. bf16, and FP8 products. Only in builds
/// with CUDA.
void check_moe_layer_cublaslt(const MoeLayerProblem& problem, int device);
[[nodiscard]] std::unique_ptr<MoeLayer> make_moe_layer_cublaslt(const MoeLayerSetup& setup);

}  // namespace moecal::layers
