// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/prepared_model.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "calibration/array_math.hpp"
#include "calibration/conformal.hpp"
#include "calibration/interval_scale.hpp"
#include "calibration/log_log_table.hpp"
#include "calibration/predict.hpp"
#include "calibration/residual.hpp"
#include "calibration/sum_of_products.hpp"
#include "calibration/switches.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

/// Calls that are worked on together: their inputs stay in the nearest cache.
constexpr std::size_t kBlock = 256;

/// A regime's end and half-width, the last one's end infinite.
struct Regime {
  double to, half_width;
};

std::vector<Regime> regimes_of(const Model& model) {
  std::vector<Regime> regimes;
  for (const auto& quantile : model.residual_quantiles)
    regimes.push_back({quantile.to == 0 ? std::numeric_limits<double>::infinity() : quantile.to,
                       quantile.half_width_90});
  if (regimes.empty())
    regimes.push_back({std::numeric_limits<double>::infinity(), kUnknownHalfWidth});
  return regimes;
}

/// Which columns a model's calls have, and how they become inputs.
enum class Shape { size, gemm, memory, other };

Shape shape_of(const Model& model) {
  Point names;
  for (const auto& [name, range] : model.validity) names[name] = 1;
  if (model.conditions.any_routing) return Shape::other;  // of its ranks' bytes, not of its numbers
  const auto family = family_of(model.operation, names);
  if (family == Family::transfer) return Shape::size;
  if (family == Family::gemm) return Shape::gemm;
  if (model.operation == "memory_copy") return Shape::size;
  if (model.form == "overlap") return Shape::other;  // of two times, not of work
  return family == Family::memory_bound ? Shape::memory : Shape::other;
}

/// The work of a memory-bound operation as a formula of its numbers.
struct WorkFormula {
  std::vector<std::string> names;
  SumOfProducts flops, bytes;
};

/// Nothing where its work is no sum of products: its calls are then predicted one by one.
std::optional<WorkFormula> work_formula(const Model& model, const Dtypes& dtypes) {
  WorkFormula formula;
  for (const auto& [name, range] : model.validity) formula.names.push_back(name);
  const auto inputs_at = [&](std::span<const std::int64_t> numbers) {
    Point point;
    for (std::size_t i = 0; i < numbers.size(); ++i) point[formula.names[i]] = numbers[i];
    return inputs_of(model.operation, point, dtypes);
  };
  try {
    const auto flops = SumOfProducts::find(
        formula.names.size(), [&](const auto& numbers) { return inputs_at(numbers).flops; });
    const auto bytes = SumOfProducts::find(
        formula.names.size(), [&](const auto& numbers) { return inputs_at(numbers).bytes; });
    if (!flops || !bytes) return std::nullopt;
    formula.flops = *flops;
    formula.bytes = *bytes;
    return formula;
  } catch (const InvalidInput&) {
    return std::nullopt;  // an operation that refuses a number 0 or 1
  }
}

/// A column with the range its numbers are valid in; infinite where the model gives none.
struct BoundColumn {
  std::span<const std::int64_t> values;
  double low, high;
  /// Whether all of these calls lie in it: without a branch, for they nearly always do.
  [[nodiscard]] bool holds(std::size_t from, std::size_t count) const {
    unsigned outside = 0;
    for (const auto number : values.subspan(from, count)) {
      const auto value = static_cast<double>(number);
      outside |= static_cast<unsigned>(value < low) | static_cast<unsigned>(value > high);
    }
    return outside == 0;
  }
};

}  // namespace

struct PreparedModel::Prepared {
  explicit Prepared(Model given)
      : model{std::move(given)},
        form{prepare(model)},
        curve{dynamic_cast<const PreparedCurve*>(form.get())},
        regimes{regimes_of(model)},
        shape{shape_of(model)} {
    const auto& c = model.conditions;
    const Dtypes dtypes{c.dtype, c.dtype, c.output_dtype, "", "", ""};
    if (shape == Shape::gemm) bytes = element_bytes(dtypes);
    if (shape == Shape::memory) work = work_formula(model, dtypes);
    if (shape == Shape::memory && !work) shape = Shape::other;
    if (shape == Shape::size) unit = inputs_of(model.operation, {{"bytes", 1}}, dtypes);
  }

  Model model;
  std::unique_ptr<PreparedForm> form;
  const PreparedCurve* curve;  // the form, if it is one
  std::vector<Regime> regimes;
  Shape shape;
  ElementBytes bytes{};               // of a GEMM
  Inputs unit{};                      // of a call of one byte: its inputs grow with its bytes
  std::optional<WorkFormula> work{};  // of a memory-bound operation
  IntervalScale scale{model};
  std::vector<Switch> switches = switches_in(model);

  /// Inside a switch an interval depends on the rows beside it: predict_with() knows.
  [[nodiscard]] bool any_in_switch(std::span<const double> sizes) const {
    unsigned inside = 0;
    for (const auto& s : switches)
      for (const double size : sizes)
        inside |= static_cast<unsigned>(size > s.below) & static_cast<unsigned>(size < s.above);
    return inside != 0;
  }
  void half_widths(const WithLogarithms& sizes, std::span<double> out) const {
    std::array<double, kBlock> of_regime;
    of_regime.fill(regimes.front().half_width);
    // Regime by regime, not call by call: which regime a call is in is not predictable.
    for (std::size_t r = 1; r < regimes.size(); ++r)
      for (std::size_t i = 0; i < out.size(); ++i)
        of_regime[i] = sizes.values[i] >= regimes[r - 1].to ? regimes[r].half_width : of_regime[i];
    scale.at(sizes, out);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] *= of_regime[i];
  }
};

namespace {

/// The columns of one batch.
class Batch {
 public:
  Batch(std::span<const CallColumn> columns, const Model& model, std::size_t calls)
      : columns_{columns} {
    for (const auto& column : columns) {
      if (column.values.size() != calls)
        throw InvalidInput{"the column '" + column.name + "' has " +
                           std::to_string(column.values.size()) + " numbers for " +
                           std::to_string(calls) + " predictions"};
      const auto range = model.validity.find(column.name);
      const bool known = range != model.validity.end();
      constexpr double kInfinity = std::numeric_limits<double>::infinity();
      bound_.push_back({column.values, known ? range->second.first : -kInfinity,
                        known ? range->second.second : kInfinity});
    }
  }

  [[nodiscard]] std::span<const std::int64_t> require(const std::string& name) const {
    const auto values = find(name);
    if (values.data() == nullptr)
      throw InvalidInput{"a batch of predictions lacks the column '" + name + "'"};
    return values;
  }
  [[nodiscard]] std::span<const std::int64_t> find(const std::string& name) const {
    for (const auto& column : columns_)
      if (column.name == name) return column.values;
    return {};
  }
  [[nodiscard]] std::size_t columns() const { return columns_.size(); }
  [[nodiscard]] bool are_valid(std::size_t from, std::size_t count) const {
    return std::all_of(bound_.begin(), bound_.end(),
                       [&](const BoundColumn& column) { return column.holds(from, count); });
  }
  [[nodiscard]] Point point(std::size_t call) const {
    Point point;
    for (const auto& column : columns_) point[column.name] = column.values[call];
    return point;
  }

 private:
  std::span<const CallColumn> columns_;
  std::vector<BoundColumn> bound_;
};

void predict_one(const Model& model, const Batch& batch, std::size_t call,
                 const PredictionColumns& out) {
  const auto prediction = predict_with(model, batch.point(call));
  out.seconds[call] = prediction.seconds;
  if (!out.half_widths.empty())
    out.half_widths[call] = std::log(prediction.hi / prediction.seconds);
}

/// Far from the points a residual learnt from, flags and widths are a prediction of their own.
bool fades(const Model& model, const Inputs& inputs) {
  return model.residual && residual_weight(*model.residual, inputs) < 1;
}

/// What columns of a transfer, of a GEMM and of a memory-bound operation become.
class InputsOfCalls {
 public:
  virtual ~InputsOfCalls() = default;
  /// Of the calls from one on, as many as there is room for. `inputs` have been Inputs{} or filled
  /// here before.
  virtual void fill(std::size_t from, std::span<Inputs> inputs) const = 0;
  /// Their sizes alone.
  virtual void fill_sizes(std::size_t from, std::span<double> sizes) const = 0;
};

class TransferInputs final : public InputsOfCalls {
 public:
  TransferInputs(const Inputs& unit, const Batch& batch)
      : unit_{unit}, size_{batch.require("bytes")} {}
  void fill(std::size_t from, std::span<Inputs> inputs) const override {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const auto bytes = static_cast<double>(size_[from + i]);
      inputs[i].size = unit_.size * bytes;
      inputs[i].bytes = unit_.bytes * bytes;
    }
  }
  void fill_sizes(std::size_t from, std::span<double> sizes) const override {
    for (std::size_t i = 0; i < sizes.size(); ++i)
      sizes[i] = unit_.size * static_cast<double>(size_[from + i]);
  }

 private:
  Inputs unit_;
  std::span<const std::int64_t> size_;
};

class GemmInputs final : public InputsOfCalls {
 public:
  GemmInputs(const ElementBytes& bytes, const Batch& batch)
      : bytes_{bytes},
        m_{batch.require("m")},
        n_{batch.require("n")},
        k_{batch.require("k")},
        groups_{batch.find("groups")} {}
  void fill(std::size_t from, std::span<Inputs> inputs) const override {
    const auto number = [&](std::span<const std::int64_t> column, std::size_t i) {
      return static_cast<double>(column[from + i]);
    };
    for (std::size_t i = 0; i < inputs.size(); ++i)
      inputs[i] = gemm_inputs(groups_.empty() ? 1 : number(groups_, i), number(m_, i),
                              number(n_, i), number(k_, i), bytes_);
  }
  void fill_sizes(std::size_t from, std::span<double> sizes) const override {
    const auto rows = m_.subspan(from, sizes.size());
    std::copy(rows.begin(), rows.end(), sizes.begin());
  }

 private:
  ElementBytes bytes_;
  std::span<const std::int64_t> m_, n_, k_, groups_;
};

class MemoryInputs final : public InputsOfCalls {
 public:
  MemoryInputs(const WorkFormula& work, const Batch& batch) : work_{work} {
    for (const auto& name : work.names) numbers_.push_back(batch.require(name));
  }
  void fill(std::size_t from, std::span<Inputs> inputs) const override {
    const Numbers numbers{numbers_, from, inputs.size()};
    std::array<double, kBlock> flops, bytes;
    work_.flops.evaluate(numbers.columns, std::span{flops}.first(inputs.size()));
    work_.bytes.evaluate(numbers.columns, std::span{bytes}.first(inputs.size()));
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      inputs[i].flops = flops[i];
      inputs[i].size = inputs[i].bytes = bytes[i];
    }
  }
  void fill_sizes(std::size_t from, std::span<double> sizes) const override {
    work_.bytes.evaluate(Numbers{numbers_, from, sizes.size()}.columns, sizes);
  }

 private:
  /// The numbers of a block of calls.
  struct Numbers {
    Numbers(std::span<const std::span<const std::int64_t>> all, std::size_t from,
            std::size_t count) {
      for (std::size_t n = 0; n < all.size(); ++n) {
        const auto block = all[n].subspan(from, count);
        std::copy(block.begin(), block.end(), values[n].begin());
        columns[n] = std::span{values[n]}.first(count);
      }
    }
    std::array<std::array<double, kBlock>, SumOfProducts::kMostNumbers> values;
    std::array<std::span<const double>, SumOfProducts::kMostNumbers> columns;
  };

  const WorkFormula& work_;
  std::vector<std::span<const std::int64_t>> numbers_;
};

/// Calls that are worked on together.
class Block {
 public:
  Block() { inputs.fill({}); }

  template <typename Prepared>
  void predict(const Prepared& p, const InputsOfCalls& calls, std::size_t from,
               const PredictionColumns& out) {
    const std::size_t count = out.seconds.size();
    const auto some = std::span{inputs}.first(count);
    const auto some_sizes = std::span{sizes_}.first(count),
               some_logs = std::span{logs_}.first(count);
    if (p.curve != nullptr) {
      calls.fill_sizes(from, some_sizes);
      logarithms(some_sizes, some_logs);
      p.curve->seconds_at({some_sizes, some_logs}, out.seconds);
    } else {
      calls.fill(from, some);
      for (std::size_t i = 0; i < count; ++i) some_sizes[i] = some[i].size;
      p.form->seconds(some, out.seconds);
    }
    if (!out.half_widths.empty()) p.half_widths({some_sizes, some_logs}, out.half_widths);
  }

  [[nodiscard]] std::span<const double> sizes(std::size_t count) const {
    return std::span{sizes_}.first(count);
  }

  std::array<Inputs, kBlock> inputs;  // of a form that is no curve

 private:
  std::array<double, kBlock> sizes_, logs_;  // logarithms: of a curve
};

/// Nothing where calls are predicted one by one.
template <typename Prepared>
std::unique_ptr<InputsOfCalls> inputs_of_calls(const Prepared& p, const Batch& batch) {
  if (p.shape == Shape::size) return std::make_unique<TransferInputs>(p.unit, batch);
  if (p.shape == Shape::gemm) return std::make_unique<GemmInputs>(p.bytes, batch);
  // A number that the formula does not know may have a say in the work all the same.
  if (p.shape == Shape::memory && batch.columns() == p.work->names.size())
    return std::make_unique<MemoryInputs>(*p.work, batch);
  return nullptr;
}

}  // namespace

PreparedModel::PreparedModel(Model model)
    : prepared_{std::make_unique<Prepared>(std::move(model))} {}
PreparedModel::~PreparedModel() = default;
PreparedModel::PreparedModel(PreparedModel&&) noexcept = default;

void PreparedModel::predict(std::span<const CallColumn> columns,
                            const PredictionColumns& out) const {
  const auto& p = *prepared_;
  const Batch batch{columns, p.model, out.seconds.size()};
  if (!out.half_widths.empty() && out.half_widths.size() != out.seconds.size())
    throw InvalidInput{"half-widths are asked for another number of calls than seconds"};
  const auto calls = inputs_of_calls(p, batch);
  Block block;
  for (std::size_t from = 0; from < out.seconds.size(); from += kBlock) {
    const std::size_t count = std::min(kBlock, out.seconds.size() - from);
    const PredictionColumns part{
        out.seconds.subspan(from, count),
        out.half_widths.empty() ? out.half_widths : out.half_widths.subspan(from, count)};
    if (calls) block.predict(p, *calls, from, part);
    const bool all = calls && batch.are_valid(from, count) && !p.model.residual &&
                     (out.half_widths.empty() || !p.any_in_switch(block.sizes(count)));
    if (all) continue;
    for (std::size_t i = 0; i < count; ++i)
      if (!calls || !batch.are_valid(from + i, 1) || fades(p.model, block.inputs[i]) ||
          (!out.half_widths.empty() && p.any_in_switch(block.sizes(count).subspan(i, 1))))
        predict_one(p.model, batch, from + i, out);
  }
}

}  // namespace moecal::calibration
