// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "layers/dispatch_combine/dispatch_combine.hpp"

#include "collectives/group_link_bench.hpp"
#include "core/build.hpp"
#include "core/error.hpp"
#include "kernels/routing_bench.hpp"
#include "runtime/memory.hpp"

namespace moecal::bench {
namespace {

using namespace layers;
using collectives::GroupLink;
using collectives::GroupSpec;
using collectives::LaunchGroups;

struct Layer {
  std::int64_t tokens, hidden, experts, top_k;
};

std::vector<Layer> layers_of(Suite suite) {
  if (suite == Suite::quick) return {{256, 1024, 64, 2}};
  // The planning documents' layers; tokens are one rank's.
  std::vector<Layer> found{
      {512, 4096, 8, 2}, {4096, 4096, 8, 2}, {2048, 1024, 64, 2}, {8192, 512, 16, 2}};
  if (suite == Suite::full)
    for (const std::int64_t tokens : {16, 128, 1024, 8192}) found.push_back({tokens, 7168, 256, 8});
  return found;
}

/// Few ways to group the launch are a layer's: all of its ranks, and from the planner's suite on
/// its expert-parallel groups at once.
bool is_a_layers(const GroupSpec& spec, Suite suite) {
  if (spec.group == spec.world) return true;
  return suite != Suite::quick && spec.all_at_once &&
         spec.placement == collectives::Placement::strided;
}

DispatchCombineShape shape_of(const Case& c) {
  return {.tokens = c.point.at("tokens"),
          .hidden = c.point.at("hidden"),
          .experts = c.point.at("experts"),
          .top_k = c.point.at("top_k"),
          .group = c.ranks.group,
          .dtype = parse_dtype(c.dtypes.a)};
}

/// One buffer set of a rank; all sets have the case's one draw.
struct Buffers {
  Buffers(const DispatchCombinePlan& plan, int rank, Memory::Place place)
      : tokens{Memory::of(place, tokens_of(plan.shape, rank))},
        row_of{Memory::of(place, plan.ranks[rank].row_of)},
        weight_of{Memory::of(place, plan.ranks[rank].weight_of)},
        rows{place, static_cast<std::size_t>(dispatch_combine_buffers(plan).send)},
        received{place, static_cast<std::size_t>(dispatch_combine_buffers(plan).receive)},
        combined{place, static_cast<std::size_t>(plan.shape.tokens * plan.shape.row_bytes())} {}

  /// What an earlier launch left would pass for what the next one brings.
  void make_stale() {
    for (Memory* buffer : {&rows, &received, &combined})
      buffer->assign(std::vector<std::byte>(buffer->bytes(), collectives::kStale));
  }
  [[nodiscard]] static std::vector<std::byte> tokens_of(const DispatchCombineShape& shape,
                                                        int rank) {
    std::vector<std::byte> tokens(static_cast<std::size_t>(shape.tokens * shape.row_bytes()));
    fill_tokens(shape, rank, tokens);
    return tokens;
  }
  [[nodiscard]] DispatchCombineTensors tensors() const {
    return {tokens.as<void>(),    row_of.as<std::int32_t>(), weight_of.as<float>(),
            rows.as<std::byte>(), received.as<std::byte>(),  combined.as<void>()};
  }
  Memory tokens, row_of, weight_of, rows, received, combined;
};

class DispatchCombineTrial final : public Trial {
 public:
  DispatchCombineTrial(const Case& c, const GroupLink& group)
      : plan_{plan_dispatch_combine(shape_of(c), c.routing)}, group_{group} {
    if constexpr (build::has_mpi)
      if (group_.mpi != nullptr) dispatch_combine_check_mpi(plan_);
  }

  void launch(int set, Stream stream) override {
    for (const Step step : kSteps) run(step, set, stream);
  }
  [[nodiscard]] std::vector<Part> parts() override {
    std::vector<Part> parts;
    for (const Step step : kSteps)
      parts.push_back({std::string{to_string(step)},
                       [this, step](int set, Stream stream) { run(step, set, stream); }});
    return parts;
  }
  void check_progress(Seconds waited) override {
    group_.check_progress("dispatch_combine", waited);
  }
  [[nodiscard]] std::string filled_with() const override { return "pattern of rank and index"; }
  /// The counts of the exchange are the plan's.
  [[nodiscard]] bool keeps_draws() const override { return true; }
  [[nodiscard]] ExchangedBytes exchanged() const override {
    return exchanged_bytes(plan_.dispatch);
  }
  [[nodiscard]] Bytes footprint() const override {
    if (!takes_part()) return Bytes{0};
    const auto sizes = dispatch_combine_buffers(plan_);
    const std::int64_t tokens = 2 * plan_.shape.tokens * plan_.shape.row_bytes();
    return Bytes{static_cast<double>(tokens + sizes.send + sizes.receive)};
  }
  void prepare(int sets) override {
    if (takes_part())
      for (int set = 0; set < sets; ++set)
        sets_.emplace_back(plan_, group_.where.rank_in_group, place());
  }
  /// What was received, byte for byte; then what was combined, against the rank's own rows put back
  /// by the oracle: the experts changed none.
  [[nodiscard]] VerificationResult verify() override {
    if (!takes_part()) return {0, 0, "full"};
    Buffers& set = sets_.front();
    set.make_stale();
    group_.call_once("dispatch_combine", [this](Stream stream) { launch(0, stream); });
    const auto received = set.received.to_host<std::byte>();
    if (received_error(plan_, group_.where.rank_in_group, received) != 0) return {1, 0, "full"};
    return {combined_error(set), kTolerance, "full"};
  }
  [[nodiscard]] LibraryInfo library() const override { return group_.library(); }
  [[nodiscard]] bool takes_part() const override { return group_.where.takes_part; }
  [[nodiscard]] int group() const override { return group_.where.index; }

 private:
  // Of a bf16 sum of rows of one token: a fused multiply-add can move it across a rounding
  // boundary.
  static constexpr double kTolerance = 0x1p-7;

  [[nodiscard]] Memory::Place place() const {
    return group_.mpi != nullptr ? Memory::Place::host : Memory::Place::device;
  }
  void run(Step step, int set, Stream stream) {
    const auto tensors = sets_[static_cast<std::size_t>(set)].tensors();
    if constexpr (build::has_mpi)
      if (group_.mpi != nullptr) return dispatch_combine_mpi(plan_, step, tensors, *group_.mpi);
    if constexpr (build::has_nccl) dispatch_combine_nccl(plan_, step, tensors, group_.nccl, stream);
  }
  [[nodiscard]] double combined_error(const Buffers& set) const {
    const auto actual = set.combined.to_host<std::byte>();
    std::vector<std::byte> expected(actual.size());
    weighted_tokens(plan_, group_.where.rank_in_group, expected);
    return relative_error(plan_.shape.dtype, actual, expected);
  }

  DispatchCombinePlan plan_;
  GroupLink group_;
  std::vector<Buffers> sets_;
};

class DispatchCombineBenchmark final : public Benchmark {
 public:
  [[nodiscard]] std::string operation() const override { return "dispatch_combine"; }
  void meet(ControlPlane& world) override { groups_->meet(world); }

  [[nodiscard]] std::vector<Case> sweep(Suite suite, const std::string&, int world) const override {
    const auto nodes = groups_->nodes(world);
    std::vector<Case> cases;
    for (const GroupSpec& spec : collectives::group_specs(world))
      for (const Layer& layer : layers_of(suite))
        if (is_a_layers(spec, suite) && layer.experts % spec.group == 0)
          for (const auto* distribution : {"balanced", "power_law"})
            cases.push_back(layer_case(layer, distribution, to_ranks(spec, nodes)));
    return cases;
  }
  [[nodiscard]] Work work(const Case& c) const override {
    return dispatch_combine_work(shape_of(c));
  }
  [[nodiscard]] std::vector<Implementation> implementations() const override {
    std::vector<Implementation> found;
    if constexpr (build::has_nccl) found.push_back({"nccl_send_recv", "nccl"});
    if constexpr (build::has_mpi) found.push_back({"ompi", "mpi"});
    return found;
  }
  [[nodiscard]] std::unique_ptr<Trial> make_trial(const Implementation& implementation,
                                                  const Case& c, Context& context) const override {
    return std::make_unique<DispatchCombineTrial>(
        c, connect(*groups_, implementation, c.ranks, context));
  }

 private:
  static Case layer_case(const Layer& layer, const std::string& distribution, const Ranks& ranks) {
    Case c;
    c.point = {{"tokens", layer.tokens},
               {"hidden", layer.hidden},
               {"experts", layer.experts},
               {"top_k", layer.top_k}};
    c.dtypes.a = c.dtypes.c = "bf16";
    c.ranks = ranks;
    c.routing.distribution = distribution;
    c.routed = true;
    return c;
  }

  std::unique_ptr<LaunchGroups> groups_ = std::make_unique<LaunchGroups>();
};

}  // namespace

std::unique_ptr<Benchmark> make_dispatch_combine() {
  return std::make_unique<DispatchCombineBenchmark>();
}

}  // namespace moecal::bench
