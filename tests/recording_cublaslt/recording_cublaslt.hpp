// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cublasLt.h>

#include <cstring>
#include <map>
#include <stdexcept>
#include <vector>

/// A cuBLASLt without a device, linked in place of the real one. It records what it is asked for,
/// and computes each product from the recorded layouts alone: column-major matrices with leading
/// dimensions, transposes, scales, alpha and beta. A layout that is wrong gives a product that is
/// wrong; one that reaches outside its buffer fails the launch.
namespace moecal::tests {

/// An attribute's bytes, by attribute.
class Attributes {
 public:
  void set(int attribute, const void* bytes, std::size_t size) {
    const auto* first = static_cast<const std::byte*>(bytes);
    values_[attribute] = {first, first + size};
  }
  [[nodiscard]] bool has(int attribute) const { return values_.count(attribute) > 0; }
  /// @throws std::runtime_error if it was never set, or with another size.
  template <class T>
  [[nodiscard]] T get(int attribute) const {
    const auto found = values_.find(attribute);
    if (found == values_.end() || found->second.size() != sizeof(T))
      throw std::runtime_error{"attribute " + std::to_string(attribute) +
                               " is missing or has another size"};
    T value;
    std::memcpy(&value, found->second.data(), sizeof value);
    return value;
  }

 private:
  std::map<int, std::vector<std::byte>> values_;
};

struct RecordedLayout {
  cudaDataType_t type{};
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;
  std::int64_t leading_dimension = 0;
  Attributes attributes{};
};

struct RecordedOperation {
  cublasComputeType_t compute{};
  cudaDataType_t scale{};
  Attributes attributes;
};

struct RecordedHeuristic {
  RecordedOperation operation;
  Attributes preference;
  int requested = 0;
};

struct RecordedMatmul {
  RecordedOperation operation;
  RecordedLayout a;
  RecordedLayout b;
  RecordedLayout c;
  RecordedLayout d;
  const void* a_address = nullptr;
  const void* b_address = nullptr;
  const void* c_address = nullptr;
  void* d_address = nullptr;
  double alpha = 0;
  double beta = 0;
  int candidate = 0;  // index into FakeCublasLt::candidates
  void* workspace = nullptr;
  std::size_t workspace_bytes = 0;
  cudaStream_t stream = nullptr;
};

/// What the heuristic offers: how long its kernel takes, whether it launches, and how much longer
/// its first launch takes.
struct FakeCandidate {
  double milliseconds = 1;
  bool launches = true;
  double first_milliseconds = 0;
  std::uint64_t most_rows = ~std::uint64_t{0};   // of tokens, that a check of it allows
  cublasStatus_t state = CUBLAS_STATUS_SUCCESS;  // that the heuristic gives it
};

struct FakeCublasLt {
  std::vector<FakeCandidate> candidates{1};
  std::vector<RecordedHeuristic> heuristics;
  std::vector<RecordedMatmul> matmuls;
  int checks = 0;             // calls of cublasLtMatmulAlgoCheck
  int live_objects = 0;       // created and not destroyed
  int products_of_zeros = 0;  // calls, not captured, whose tokens were all zero
  int loads_held = 0;         // first launches that took longer, on a stream that was held
};

/// The one fake library of the process.
FakeCublasLt& fake_cublaslt();

}  // namespace moecal::tests
