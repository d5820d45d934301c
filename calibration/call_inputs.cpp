// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/call_inputs.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "calibration/operation_work.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

constexpr std::size_t kBlock = InputsOfCalls::kBlock;

using Column = std::span<const std::int64_t>;

double number(Column column, std::size_t call) { return static_cast<double>(column[call]); }

class TransferInputs final : public InputsOfCalls {
 public:
  TransferInputs(const Inputs& unit, const Batch& batch)
      : unit_{unit}, size_{batch.require("bytes")} {}
  void fill(std::size_t from, std::span<Inputs> inputs) const override {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const double bytes = number(size_, from + i);
      inputs[i].size = unit_.size * bytes;
      inputs[i].bytes = unit_.bytes * bytes;
    }
  }
  void fill_sizes(std::size_t from, std::span<double> sizes) const override {
    for (std::size_t i = 0; i < sizes.size(); ++i) sizes[i] = unit_.size * number(size_, from + i);
  }

 private:
  Inputs unit_;
  Column size_;
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
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const std::size_t call = from + i;
      const double groups = groups_.empty() ? 1 : number(groups_, call);
      inputs[i] =
          gemm_inputs({groups, number(m_, call), number(n_, call), number(k_, call)}, bytes_);
    }
  }
  void fill_sizes(std::size_t from, std::span<double> sizes) const override {
    const auto rows = m_.subspan(from, sizes.size());
    std::copy(rows.begin(), rows.end(), sizes.begin());
  }

 private:
  ElementBytes bytes_;
  Column m_, n_, k_, groups_;
};

/// Grouped GEMMs with the same rows in each group.
class EvenGroupsInputs final : public InputsOfCalls {
 public:
  EvenGroupsInputs(const ElementBytes& bytes, const Batch& batch)
      : bytes_{bytes},
        groups_{batch.require("groups")},
        m_{batch.require("m")},
        n_{batch.require("n")},
        k_{batch.require("k")} {}
  void fill(std::size_t from, std::span<Inputs> inputs) const override {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const std::size_t call = from + i;
      inputs[i] = even_groups_inputs(
          {number(groups_, call), number(m_, call), number(n_, call), number(k_, call)}, bytes_);
    }
  }
  void fill_sizes(std::size_t from, std::span<double> sizes) const override {
    for (std::size_t i = 0; i < sizes.size(); ++i)
      sizes[i] = number(groups_, from + i) * number(m_, from + i);
  }

 private:
  ElementBytes bytes_;
  Column groups_, m_, n_, k_;
};

class ExchangesInputs final : public InputsOfCalls {
 public:
  ExchangesInputs(const Inputs& unit, const Batch& batch)
      : element_{unit.exchange.row},
        tokens_{batch.require("tokens")},
        hidden_{batch.require("hidden")},
        experts_{batch.require("experts")},
        top_k_{batch.require("top_k")} {}
  void fill(std::size_t from, std::span<Inputs> inputs) const override {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const std::size_t call = from + i;
      inputs[i].exchange = {number(tokens_, call), number(experts_, call), number(top_k_, call),
                            number(hidden_, call) * element_};
      inputs[i].size = inputs[i].exchange.tokens;
    }
  }
  void fill_sizes(std::size_t from, std::span<double> sizes) const override {
    const auto tokens = tokens_.subspan(from, sizes.size());
    std::copy(tokens.begin(), tokens.end(), sizes.begin());
  }

 private:
  double element_;  // bytes, its share of a scale included
  Column tokens_, hidden_, experts_, top_k_;
};

/// Whether a token is sent to no more experts than there are wherever the model is valid.
bool has_experts_for_all_choices(const Model& model) {
  const auto experts = model.validity.find("experts"), top_k = model.validity.find("top_k");
  return experts != model.validity.end() && top_k != model.validity.end() &&
         top_k->second.first >= 1 && top_k->second.second <= experts->second.first;
}

/// A routing that was not measured widens the interval by its skew: predict_with() knows.
bool has_even_groups(const Model& model) {
  const RoutingConditions even{"balanced", 0, 0};
  return model.operation == "grouped_gemm" &&
         (model.routings.empty() ||
          std::find(model.routings.begin(), model.routings.end(), even) != model.routings.end());
}

}  // namespace

/// Of a memory-bound operation.
class InputsPlan::MemoryInputs final : public InputsOfCalls {
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
    Numbers(std::span<const Column> all, std::size_t from, std::size_t count) {
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
  std::vector<Column> numbers_;
};

Batch::Batch(std::span<const CallColumn> columns, const Model& model, std::size_t calls)
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

std::span<const std::int64_t> Batch::require(const std::string& name) const {
  const auto values = find(name);
  if (values.data() == nullptr)
    throw InvalidInput{"a batch of predictions lacks the column '" + name + "'"};
  return values;
}

std::span<const std::int64_t> Batch::find(const std::string& name) const {
  for (const auto& column : columns_)
    if (column.name == name) return column.values;
  return {};
}

bool Batch::are_valid(std::size_t from, std::size_t count) const {
  return std::all_of(bound_.begin(), bound_.end(),
                     [&](const Bound& column) { return column.holds(from, count); });
}

Point Batch::point(std::size_t call) const {
  Point point;
  for (const auto& column : columns_) point[column.name] = column.values[call];
  return point;
}

/// Without a branch, for nearly always all of them are.
bool Batch::Bound::holds(std::size_t from, std::size_t count) const {
  unsigned outside = 0;
  for (const auto each : values.subspan(from, count)) {
    const auto value = static_cast<double>(each);
    outside |= static_cast<unsigned>(value < low) | static_cast<unsigned>(value > high);
  }
  return outside == 0;
}

InputsPlan::InputsPlan(const Model& model) : shape_{shape_of(model)} {
  const auto& c = model.conditions;
  const Dtypes dtypes{c.dtype, c.dtype, c.output_dtype, "", "", ""};
  if (shape_ == Shape::gemm || shape_ == Shape::groups) bytes_ = element_bytes(dtypes);
  if (shape_ == Shape::memory) work_ = work_formula(model, dtypes);
  if (shape_ == Shape::memory && !work_) shape_ = Shape::other;
  if (shape_ == Shape::size) unit_ = inputs_of(model.operation, {{"bytes", 1}}, dtypes);
  if (shape_ == Shape::exchange)
    unit_ = inputs_of(model.operation, {{"tokens", 1}, {"hidden", 1}, {"experts", 1}, {"top_k", 1}},
                      dtypes);
}

InputsPlan::Shape InputsPlan::shape_of(const Model& model) {
  Point names;
  for (const auto& [name, range] : model.validity) names[name] = 1;
  if (model.conditions.any_routing) return Shape::other;  // of its ranks' bytes, not of its numbers
  if (model.operation == "memory_copy") return Shape::size;
  if (model.form == "overlap") return Shape::other;  // of two times, not of work
  switch (family_of(model.operation, names)) {
    case Family::transfer:
      return Shape::size;
    case Family::gemm:
      return Shape::gemm;
    case Family::memory_bound:
      return Shape::memory;
    case Family::grouped:
      return has_even_groups(model) ? Shape::groups : Shape::other;
    case Family::exchange:
      return has_experts_for_all_choices(model) ? Shape::exchange : Shape::other;
  }
  return Shape::other;
}

/// Nothing where its work is no sum of products.
std::optional<InputsPlan::WorkFormula> InputsPlan::work_formula(const Model& model,
                                                                const Dtypes& dtypes) {
  WorkFormula formula;
  for (const auto& [name, range] : model.validity) formula.names.push_back(name);
  const auto inputs_at = [&](std::span<const std::int64_t> numbers) {
    Point point;
    for (std::size_t i = 0; i < numbers.size(); ++i) point[formula.names[i]] = numbers[i];
    return inputs_of(kind_of_work(model.operation, model.conditions.implementation), point, dtypes);
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

std::unique_ptr<InputsOfCalls> InputsPlan::of(const Batch& batch) const {
  switch (shape_) {
    case Shape::size:
      return std::make_unique<TransferInputs>(unit_, batch);
    case Shape::gemm:
      return std::make_unique<GemmInputs>(bytes_, batch);
    case Shape::groups:
      return std::make_unique<EvenGroupsInputs>(bytes_, batch);
    case Shape::exchange:
      return std::make_unique<ExchangesInputs>(unit_, batch);
    case Shape::memory:
      // A number that the formula does not know may have a say in the work all the same.
      if (batch.columns() == work_->names.size())
        return std::make_unique<MemoryInputs>(*work_, batch);
      break;
    case Shape::other:
      break;
  }
  return nullptr;
}

}  // namespace moecal::calibration
