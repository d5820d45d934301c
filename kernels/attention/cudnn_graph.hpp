// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/attention/attention.hpp"

/// cuDNN's fused attention behind an interface without its headers: they are compiled in one file.
namespace moecal::kernels {

/// What plans are made for.
struct CudnnTarget {
  int capability = 0;  // compute capability, major * 10 + minor
  /// What cuDNN is told of a device that need not be there (the JSON of its device properties):
  /// plans are made for it, but cannot be launched. Empty: the current device.
  std::string device_properties{};
};

/// One way to run the graph: its engine with its choices, and device memory that a launch uses.
struct CudnnPlan {
  std::string name;  // as cuDNN gives it: eng2_k24=7
  std::int64_t workspace_bytes = 0;
};

/// Device memory of one launch, aligned to 16 bytes; operands and result as AttentionOperands.
struct CudnnAddresses {
  void *queries = nullptr, *keys = nullptr, *values = nullptr, *result = nullptr;
  void* workspace = nullptr;  // as many bytes as the plan says
};

/// An attention that cuDNN has made plans for.
class CudnnGraph {
 public:
  virtual ~CudnnGraph() = default;
  /// At least one, in the order of cuDNN's heuristic.
  [[nodiscard]] virtual const std::vector<CudnnPlan>& plans() const = 0;
  /// Enqueues that plan, does not synchronise. @throws Error with cuDNN's reason.
  virtual void launch(std::size_t plan, const CudnnAddresses& addresses, Stream stream) = 0;
};

/// Plans attentions for one target, and keeps what it has planned: a plan takes cuDNN most of a
/// second.
class CudnnPlanner {
 public:
  virtual ~CudnnPlanner() = default;
  /// Lives as long as the planner.
  /// @throws Unsupported with cuDNN's reason if it has no engine for this attention on the target;
  /// Error if it has, but no plan could be made.
  [[nodiscard]] virtual CudnnGraph& graph_of(const AttentionShape& shape) = 0;
};

/// Of a shape at most `most_plans` are made: those that cuDNN's heuristic names first.
/// @throws Unsupported if cuDNN cannot be loaded.
[[nodiscard]] std::unique_ptr<CudnnPlanner> make_cudnn_planner(const CudnnTarget& target,
                                                               int most_plans);

/// Of the frontend's headers: "1.32.0".
[[nodiscard]] std::string cudnn_frontend_version();

}  // namespace moecal::kernels
