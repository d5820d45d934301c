// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/prepared_model.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "calibration/conformal.hpp"
#include "calibration/interval_scale.hpp"
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
  [[nodiscard]] bool holds(std::size_t call) const {
    const auto value = static_cast<double>(values[call]);
    return value >= low && value <= high;
  }
};

}  // namespace

struct PreparedModel::Prepared {
  explicit Prepared(Model given)
      : model{std::move(given)},
        form{prepare(model)},
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
  std::vector<Regime> regimes;
  Shape shape;
  ElementBytes bytes{};               // of a GEMM
  Inputs unit{};                      // of a call of one byte: its inputs grow with its bytes
  std::optional<WorkFormula> work{};  // of a memory-bound operation
  IntervalScale scale{model};
  std::vector<Switch> switches = switches_in(model);

  /// Inside a switch an interval depends on the rows beside it: predict_with() knows.
  [[nodiscard]] bool is_in_switch(double size) const {
    return std::any_of(switches.begin(), switches.end(),
                       [size](const Switch& s) { return size > s.below && size < s.above; });
  }
  void half_widths(std::span<const Inputs> calls, std::span<double> out) const {
    std::array<double, kBlock> sizes;
    for (std::size_t i = 0; i < calls.size(); ++i) sizes[i] = calls[i].size;
    scale.at(std::span{sizes}.first(calls.size()), out);
    for (std::size_t i = 0; i < calls.size(); ++i) {
      const auto* regime = regimes.data();
      while (sizes[i] >= regime->to) ++regime;
      out[i] *= regime->half_width;
    }
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
  [[nodiscard]] bool is_valid(std::size_t call) const {
    bool valid = true;
    for (const auto& column : bound_) valid = valid && column.holds(call);
    return valid;
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
    std::array<std::array<double, kBlock>, SumOfProducts::kMostNumbers> numbers;
    std::array<std::span<const double>, SumOfProducts::kMostNumbers> columns;
    for (std::size_t n = 0; n < numbers_.size(); ++n) {
      const auto values = numbers_[n].subspan(from, inputs.size());
      std::copy(values.begin(), values.end(), numbers[n].begin());
      columns[n] = std::span{numbers[n]}.first(inputs.size());
    }
    std::array<double, kBlock> flops, bytes;
    work_.flops.evaluate(columns, std::span{flops}.first(inputs.size()));
    work_.bytes.evaluate(columns, std::span{bytes}.first(inputs.size()));
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      inputs[i].flops = flops[i];
      inputs[i].size = inputs[i].bytes = bytes[i];
    }
  }

 private:
  const WorkFormula& work_;
  std::vector<std::span<const std::int64_t>> numbers_;
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
  std::array<Inputs, kBlock> inputs;
  inputs.fill({});
  for (std::size_t from = 0; from < out.seconds.size(); from += kBlock) {
    const std::size_t count = std::min(kBlock, out.seconds.size() - from);
    if (calls) {
      calls->fill(from, {inputs.data(), count});
      p.form->seconds({inputs.data(), count}, out.seconds.subspan(from, count));
      if (!out.half_widths.empty())
        p.half_widths({inputs.data(), count}, out.half_widths.subspan(from, count));
    }
    for (std::size_t i = from; i < from + count; ++i) {
      const double size = inputs[i - from].size;
      const bool doubtful = !out.half_widths.empty() && p.is_in_switch(size);
      if (!calls || doubtful || !batch.is_valid(i) || fades(p.model, inputs[i - from]))
        predict_one(p.model, batch, i, out);
    }
  }
}

}  // namespace moecal::calibration
