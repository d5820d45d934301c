// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/prepared_model.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "calibration/array_math.hpp"
#include "calibration/conformal.hpp"
#include "calibration/interval_scale.hpp"
#include "calibration/log_log_table.hpp"
#include "calibration/predict.hpp"
#include "calibration/prepared_residual.hpp"
#include "calibration/run_doubt.hpp"
#include "calibration/switches.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

constexpr std::size_t kBlock = InputsOfCalls::kBlock;

/// A regime's end and half-width, the last one's end infinite.
struct Regime {
  double to, half_width;
};

std::vector<Regime> regimes_of(std::span<const ResidualQuantile> quantiles) {
  std::vector<Regime> regimes;
  for (const auto& quantile : quantiles)
    regimes.push_back({quantile.to == 0 ? std::numeric_limits<double>::infinity() : quantile.to,
                       quantile.half_width_90});
  if (regimes.empty())
    regimes.push_back({std::numeric_limits<double>::infinity(), kUnknownHalfWidth});
  return regimes;
}

/// The half-width of each size's regime: regime by regime, not call by call, for which regime a
/// call is in is not predictable.
void widths_at(std::span<const Regime> regimes, std::span<const double> sizes,
               std::span<double> out) {
  std::fill(out.begin(), out.end(), regimes.front().half_width);
  for (std::size_t r = 1; r < regimes.size(); ++r)
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = sizes[i] >= regimes[r - 1].to ? regimes[r].half_width : out[i];
}

}  // namespace

struct PreparedModel::Prepared {
  explicit Prepared(Model given)
      : model{std::move(given)},
        form{prepare(model)},
        curve{dynamic_cast<const PreparedCurve*>(form.get())},
        correction{dynamic_cast<const PreparedCorrection*>(form.get())},
        regimes{regimes_of(model.residual_quantiles)},
        inputs{model} {
    if (model.residual) compact_regimes = regimes_of(model.residual->compact_quantiles);
  }

  Model model;
  std::unique_ptr<PreparedForm> form;
  const PreparedCurve* curve;                      // the form, if it is one
  const PreparedCorrection* correction;            // the same
  std::vector<Regime> regimes, compact_regimes{};  // the latter of the form without its residual
  InputsPlan inputs;
  IntervalScale scale{model};
  std::vector<Switch> switches = switches_in(model);
  double doubt_of_runs = run_doubt(model.quality.variance);

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
    const auto widths = std::span{of_regime}.first(out.size());
    widths_at(regimes, sizes.values, widths);
    scale.at(sizes, out);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] *= widths[i];
  }
  /// Where a residual fades the compact form's own error returns, as predict_with() has it.
  void fade(std::span<const double> sizes, std::span<const double> weights,
            std::span<double> half_widths) const {
    std::array<double, kBlock> compact;
    const auto widths = std::span{compact}.first(sizes.size());
    widths_at(compact_regimes, sizes, widths);
    for (std::size_t i = 0; i < half_widths.size(); ++i) {
      const double own = half_widths[i], weight = weights[i];
      half_widths[i] = weight == 1 ? own : std::max(own, weight * own + (1 - weight) * widths[i]);
    }
  }
};

namespace {

void predict_one(const Model& model, const Batch& batch, std::size_t call,
                 const PredictionColumns& out) {
  const auto prediction = predict_with(model, batch.point(call));
  out.seconds[call] = prediction.seconds;
  if (!out.half_widths.empty())
    out.half_widths[call] = std::log(prediction.hi / prediction.seconds);
}

/// Calls that are worked on together.
class Block {
 public:
  Block() { inputs_.fill({}); }

  template <typename Prepared>
  void predict(const Prepared& p, const InputsOfCalls& calls, std::size_t from,
               const PredictionColumns& out) {
    const std::size_t count = out.seconds.size();
    const auto some_sizes = std::span{sizes_}.first(count),
               some_logs = std::span{logs_}.first(count);
    if (p.curve != nullptr) {
      calls.fill_sizes(from, some_sizes);
      logarithms(some_sizes, some_logs);
      p.curve->seconds_at({some_sizes, some_logs}, out.seconds);
    } else {
      const auto some = std::span{inputs_}.first(count);
      calls.fill(from, some);
      for (std::size_t i = 0; i < count; ++i) some_sizes[i] = some[i].size;
      seconds(p, some, out.seconds);
    }
    if (out.half_widths.empty()) return;
    p.half_widths({some_sizes, some_logs}, out.half_widths);
    if (p.correction != nullptr)
      p.fade(some_sizes, std::span{weights_}.first(count), out.half_widths);
    if (p.doubt_of_runs > 0)
      for (double& half_width : out.half_widths)
        half_width = std::hypot(half_width, p.doubt_of_runs);
  }

  [[nodiscard]] std::span<const double> sizes(std::size_t count) const {
    return std::span{sizes_}.first(count);
  }

 private:
  template <typename Prepared>
  void seconds(const Prepared& p, std::span<const Inputs> calls, std::span<double> seconds) {
    if (p.correction == nullptr) return p.form->seconds(calls, seconds);
    p.correction->seconds_and_weights(calls, seconds, std::span{weights_}.first(calls.size()));
  }

  std::array<Inputs, kBlock> inputs_;        // of a form that is no curve
  std::array<double, kBlock> sizes_, logs_;  // logarithms: of a curve
  std::array<double, kBlock> weights_;       // of a residual
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
  const auto calls = p.inputs.of(batch);
  Block block;
  for (std::size_t from = 0; from < out.seconds.size(); from += kBlock) {
    const std::size_t count = std::min(kBlock, out.seconds.size() - from);
    const PredictionColumns part{
        out.seconds.subspan(from, count),
        out.half_widths.empty() ? out.half_widths : out.half_widths.subspan(from, count)};
    if (calls) block.predict(p, *calls, from, part);
    // Of the calls from one of the block on: whether what was predicted stands.
    const auto stand = [&](std::size_t first, std::size_t some) {
      return calls && batch.are_valid(from + first, some) &&
             (out.half_widths.empty() || !p.any_in_switch(block.sizes(count).subspan(first, some)));
    };
    if (stand(0, count)) continue;
    for (std::size_t i = 0; i < count; ++i)
      if (!stand(i, 1)) predict_one(p.model, batch, from + i, out);
  }
}

}  // namespace moecal::calibration
