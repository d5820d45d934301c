// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "calibration/form.hpp"
#include "calibration/sum_of_products.hpp"

namespace moecal::calibration {

/// One named number of many calls, e.g. every call's m.
struct CallColumn {
  std::string name;
  std::span<const std::int64_t> values;
};

/// The calls of one batch, by column, with what a model's validity says of them.
class Batch {
 public:
  /// @throws InvalidInput if a column is not as long as there are calls.
  Batch(std::span<const CallColumn> columns, const Model& model, std::size_t calls);

  /// @throws InvalidInput if there is no such column.
  [[nodiscard]] std::span<const std::int64_t> require(const std::string& name) const;
  /// Without data where there is no such column.
  [[nodiscard]] std::span<const std::int64_t> find(const std::string& name) const;
  [[nodiscard]] std::size_t columns() const { return columns_.size(); }
  /// Whether all of `count` calls lie in the validity.
  [[nodiscard]] bool are_valid(std::size_t from, std::size_t count) const;
  [[nodiscard]] Point point(std::size_t call) const;

 private:
  /// A column with the range its numbers are valid in; infinite where the model gives none.
  struct Bound {
    std::span<const std::int64_t> values;
    double low, high;
    [[nodiscard]] bool holds(std::size_t from, std::size_t count) const;
  };

  std::span<const CallColumn> columns_;
  std::vector<Bound> bound_;
};

/// What the columns of a batch become, worked on in blocks.
class InputsOfCalls {
 public:
  virtual ~InputsOfCalls() = default;
  /// At most so many calls at once: their inputs stay in a near cache.
  static constexpr std::size_t kBlock = 256;
  /// Of the calls from one on, as many as there is room for. `inputs` have been Inputs{} or filled
  /// here before.
  virtual void fill(std::size_t from, std::span<Inputs> inputs) const = 0;
  /// Their sizes alone.
  virtual void fill_sizes(std::size_t from, std::span<double> sizes) const = 0;
};

/// How a model's calls become what inputs_of() says of each, worked out once per model: no name is
/// looked up in a call.
class InputsPlan {
 public:
  explicit InputsPlan(const Model& model);
  /// Nothing where calls are to be predicted one by one: the work is no sum of products of the
  /// numbers, or drawn from a routing. The plan outlives the result.
  /// @throws InvalidInput if the batch lacks a column.
  [[nodiscard]] std::unique_ptr<InputsOfCalls> of(const Batch& batch) const;

 private:
  enum class Shape { size, gemm, memory, groups, exchange, other };
  /// The work of a memory-bound operation as a formula of its numbers.
  struct WorkFormula {
    std::vector<std::string> names;
    SumOfProducts flops, bytes;
  };
  class MemoryInputs;

  static Shape shape_of(const Model& model);
  static std::optional<WorkFormula> work_formula(const Model& model, const Dtypes& dtypes);

  Shape shape_;
  ElementBytes bytes_{};               // of GEMMs, grouped or not
  Inputs unit_{};                      // of a call of ones: what grows with its numbers
  std::optional<WorkFormula> work_{};  // of a memory-bound operation
};

}  // namespace moecal::calibration
