// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/prepared_model.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "calibration/conformal.hpp"
#include "calibration/interval_scale.hpp"
#include "calibration/predict.hpp"
#include "calibration/residual.hpp"
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
enum class Shape { size, gemm, other };

Shape shape_of(const Model& model) {
  Point names;
  for (const auto& [name, range] : model.validity) names[name] = 1;
  const auto family = family_of(model.operation, names);
  if (family == Family::transfer) return Shape::size;
  if (family == Family::gemm) return Shape::gemm;
  return model.operation == "memory_copy" ? Shape::size : Shape::other;
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
    if (shape == Shape::size) unit = inputs_of(model.operation, {{"bytes", 1}}, dtypes);
  }

  Model model;
  std::unique_ptr<PreparedForm> form;
  std::vector<Regime> regimes;
  Shape shape;
  ElementBytes bytes{};  // of a GEMM
  Inputs unit{};         // of a call of one byte: its inputs grow with its bytes
  IntervalScale scale{model};
  std::vector<Switch> switches = switches_of(model.table);

  /// Inside a switch an interval depends on the rows beside it: predict_with() knows.
  [[nodiscard]] bool is_in_switch(double size) const {
    return std::any_of(switches.begin(), switches.end(),
                       [size](const Switch& s) { return size > s.below && size < s.above; });
  }
  [[nodiscard]] double half_width(double size) const {
    const auto* regime = regimes.data();
    while (size >= regime->to) ++regime;
    return regime->half_width * scale.at(size);
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

/// Columns as inputs of a form.
class InputsOfCalls {
 public:
  InputsOfCalls(Shape shape, const Inputs& unit, const ElementBytes& bytes, const Batch& batch)
      : shape_{shape}, unit_{unit}, bytes_{bytes} {
    if (shape == Shape::size) size_ = batch.require("bytes");
    if (shape != Shape::gemm) return;
    m_ = batch.require("m");
    n_ = batch.require("n");
    k_ = batch.require("k");
    groups_ = batch.find("groups");
  }

  /// What every call of the batch has: fill() writes what differs.
  [[nodiscard]] const Inputs& common() const { return unit_; }

  /// Of the calls from one on, as many as there is room for. `inputs` have been common() or filled.
  void fill(std::size_t from, std::span<Inputs> inputs) const {
    const auto number = [&](std::span<const std::int64_t> column, std::size_t i) {
      return static_cast<double>(column[from + i]);
    };
    for (std::size_t i = 0; shape_ == Shape::size && i < inputs.size(); ++i) {
      inputs[i].size = unit_.size * number(size_, i);
      inputs[i].bytes = unit_.bytes * number(size_, i);
    }
    for (std::size_t i = 0; shape_ == Shape::gemm && i < inputs.size(); ++i)
      inputs[i] = gemm_inputs(groups_.empty() ? 1 : number(groups_, i), number(m_, i),
                              number(n_, i), number(k_, i), bytes_);
  }

 private:
  Shape shape_;
  Inputs unit_;
  ElementBytes bytes_;
  std::span<const std::int64_t> size_, m_, n_, k_, groups_;
};

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
  const InputsOfCalls calls{p.shape, p.unit, p.bytes, batch};
  std::array<Inputs, kBlock> inputs;
  inputs.fill(calls.common());
  for (std::size_t from = 0; from < out.seconds.size(); from += kBlock) {
    const std::size_t count = std::min(kBlock, out.seconds.size() - from);
    if (p.shape != Shape::other) {
      calls.fill(from, {inputs.data(), count});
      p.form->seconds({inputs.data(), count}, out.seconds.subspan(from, count));
    }
    for (std::size_t i = from; i < from + count; ++i) {
      const double size = inputs[i - from].size;
      const bool doubtful = !out.half_widths.empty() && p.is_in_switch(size);
      if (p.shape == Shape::other || doubtful || !batch.is_valid(i) ||
          fades(p.model, inputs[i - from]))
        predict_one(p.model, batch, i, out);
      else if (!out.half_widths.empty())
        out.half_widths[i] = p.half_width(size);
    }
  }
}

}  // namespace moecal::calibration
