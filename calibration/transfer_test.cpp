// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/transfer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "calibration/predict.hpp"
#include "calibration/testing/made_up_cards.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

using synthetic::all_reduce;
using synthetic::card;
using synthetic::copy;
using synthetic::gemm;
using synthetic::kOne;
using synthetic::kTarget;
using synthetic::kTwo;
using synthetic::model_of;
using synthetic::twins;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;

const Model& only(const TransferResult& result, const std::string& operation) {
  for (const auto& model : result.coefficients.models)
    if (model.operation == operation) return model;
  throw Error{"no model of " + operation};
}

/// A card that measured a copy, a grouped GEMM, a layer and an overlap.
Donor unlike_donor(const std::string& id) {
  Donor donor{card(id, {}), {}};
  for (const std::string operation : {"grouped_gemm", "moe_layer", "overlap"}) {
    donor.models.push_back(model_of(donor.card, operation, "latency_bandwidth"));
    donor.models.back().parameters = {{"latency", 1e-6, "s", 0}, {"bandwidth", 1e12, "B/s", 0}};
  }
  donor.models.back().validity = {{"compute_ns", {1e3, 1e6}}, {"communication_ns", {1e3, 1e6}}};
  donor.models.push_back(copy(donor.card, 3e-6, 0.9));
  return donor;
}

TEST(Transfer, SaysWhyWhatNoSheetPlacesIsLeftOut) {
  const std::vector<Donor> donors{unlike_donor("a"), unlike_donor("b")};
  EXPECT_THAT(
      transfer(donors, card("target", {})).left_out,
      ElementsAre(Field(&NotTransferred::reason, HasSubstr("spread over its groups by a routing")),
                  Field(&NotTransferred::reason, HasSubstr("several kernels in one figure")),
                  Field(&NotTransferred::reason, HasSubstr("parts take on the card itself"))));
}

TEST(Transfer, GivesEqualSharesOfTheTargetsFigures) {
  const auto result = transfer(twins(), kTarget);
  const auto gemm_time =
      predict_with(only(result, "expert_gemm"), {{"m", 4096}, {"n", 8192}, {"k", 8192}});
  EXPECT_NEAR(gemm_time.seconds, 2e-6 + 2.0 * 4096 * 8192 * 8192 / 200e12 * 1.25, 1e-6);
  const auto copied = predict_with(only(result, "memory_copy"), {{"bytes", 1 << 28}});
  EXPECT_NEAR(copied.seconds, 3e-6 + 2.0 * (1 << 28) / (4e12 * 0.9), 1e-6);
  const auto reduced = predict_with(only(result, "all_reduce"), {{"bytes", 1 << 28}});
  EXPECT_NEAR(reduced.seconds, 1e-5 + (1 << 28) / (0.2e12 * 0.8), 0.01 * reduced.seconds);
  EXPECT_LT(reduced.hi / reduced.seconds, 1.1) << "cards that agree make a narrow interval";
}

struct MemoryBound {
  std::string operation, dtype, output_dtype;
  std::map<std::string, std::pair<double, double>> validity;
};

const std::vector<MemoryBound> kMemoryBound{
    {"memory_copy", "uint8", "", {{"bytes", {4096, 1 << 28}}}},
    {"memory_stream",
     "f32",
     "",
     {{"bytes", {4096, 1 << 28}}, {"reads", {2, 2}}, {"writes", {1, 1}}}},
    {"permute", "bf16", "", {{"tokens", {16, 65536}}, {"hidden", {512, 7168}}, {"top_k", {1, 8}}}},
    {"unpermute",
     "bf16",
     "",
     {{"tokens", {16, 65536}}, {"hidden", {512, 7168}}, {"top_k", {1, 8}}}},
    {"quantize", "bf16", "fp8_e4m3", {{"tokens", {16, 65536}}, {"hidden", {512, 7168}}}},
    {"swiglu", "bf16", "", {{"tokens", {16, 65536}}, {"inner", {512, 7168}}}},
    {"topk_gate", "f32", "", {{"tokens", {16, 65536}}, {"experts", {8, 256}}, {"top_k", {1, 8}}}}};

/// A kernel that reaches a share of the card's memory bandwidth.
Model memory_bound(const Card& card, const MemoryBound& kernel, double share) {
  auto model = copy(card, 3e-6, share);
  model.operation = kernel.operation;
  model.id = kernel.operation + "/" + card.id;
  model.conditions.dtype = kernel.dtype;
  model.conditions.output_dtype = kernel.output_dtype;
  model.validity = kernel.validity;
  return model;
}

/// The largest call that was measured.
Point largest(const MemoryBound& kernel) {
  Point point;
  for (const auto& [name, range] : kernel.validity)
    point[name] = static_cast<std::int64_t>(range.second);
  return point;
}

// Shares of 0.8 and 0.9 of the donors' bandwidths: their geometric mean of the target's 4 TB/s.
TEST(Transfer, OfMemoryBoundKernelsFollowsTheMemory) {
  for (const auto& kernel : kMemoryBound) {
    SCOPED_TRACE(kernel.operation);
    const std::vector<Donor> donors{{kOne, {memory_bound(kOne, kernel, 0.8)}},
                                    {kTwo, {memory_bound(kTwo, kernel, 0.9)}}};
    const auto model = only(transfer(donors, kTarget), kernel.operation);
    EXPECT_EQ(model.form, "latency_bandwidth");
    const auto call = largest(kernel);
    const Dtypes dtypes{kernel.dtype, kernel.dtype, kernel.output_dtype, "", "", ""};
    const double bytes = inputs_of(kernel.operation, call, dtypes).bytes;
    const double seconds = 3e-6 + bytes / (4e12 * std::sqrt(0.8 * 0.9));
    const auto predicted = predict_with(model, call);
    EXPECT_NEAR(predicted.seconds, seconds, 0.02 * seconds);
    EXPECT_GT(predicted.hi / predicted.seconds, 0.99 * 0.9 / 0.8) << "as each is of the other";
    EXPECT_EQ(predicted.provenance, "transferred");
  }
}

TEST(Transfer, NamesWhatNoMeasuredCardHas) {
  const std::vector<Donor> donors{{kOne, {all_reduce(kOne, 1e-5, 0.8)}},
                                  {kTarget, {copy(kTarget, 3e-6, 0.9)}}};
  const auto result = transfer(donors, kTarget);
  std::set<std::string> named;
  for (const auto& one : result.unmeasured) {
    EXPECT_EQ(one.reason, "no other measured card has it");
    named.insert(one.series);
  }
  for (const auto& kernel : kMemoryBound)
    EXPECT_TRUE(named.contains(kernel.operation))
        << kernel.operation << ": what the target itself has is no other card's";
  EXPECT_TRUE(named.contains("all_reduce between nodes"));
  EXPECT_TRUE(named.contains("all_to_all"));
  EXPECT_FALSE(named.contains("all_reduce"));
}

// A network of 100 Gb/s from one of 200 and one of 400: bandwidth follows the spec sheet.
TEST(Transfer, OfGroupsBetweenNodesFollowsTheNetwork) {
  const auto with_network = [](Card card, double rate) {
    card.nic = {"test", Nominal<BytesPerSecond>{BytesPerSecond{rate}, "test"}};
    return card;
  };
  const auto between_nodes = [](const Card& card) {
    auto model = all_reduce(card, 3e-5, 0.8, 16);
    model.parameters[1].value = 1 / (0.8 * card.nic.rate->value.value());
    model.conditions.tier = "inter";
    model.conditions.nodes = 2;
    return model;
  };
  const Card one = with_network(kOne, 25e9), two = with_network(kTwo, 50e9);
  const std::vector<Donor> donors{{one, {between_nodes(one)}}, {two, {between_nodes(two)}}};
  const auto target = with_network(kTarget, 12.5e9);
  const auto predicted =
      predict_with(only(transfer(donors, target), "all_reduce"), {{"bytes", 1 << 28}});
  const double seconds = 3e-5 + (1 << 28) / (0.8 * 12.5e9);
  EXPECT_NEAR(predicted.seconds, seconds, 0.01 * seconds);
  EXPECT_THAT([&] { (void)transfer(donors, kTarget); },
              testing::ThrowsMessage<InvalidInput>(HasSubstr("target gives no network rate")));
}

TEST(Transfer, OfTheHostTakesItsLinkAndNothingElse) {
  const auto with_host = [](Card card, double rate) {
    card.pcie = {"test", Nominal<BytesPerSecond>{BytesPerSecond{rate}, "test"}};
    return card;
  };
  const auto measured = [](const Card& card) {
    auto model = all_reduce(card, 1e-5, 1, 1);
    model.operation = "host_transfer";
    model.parameters[1].value = 1 / (0.9 * card.pcie.rate->value.value());
    auto step =
        memory_bound(card, {"host_adam", "f32", "", {{"parameters", {1024, 1 << 20}}}}, 0.1);
    return std::vector<Model>{model, step};
  };
  const Card one = with_host(kOne, 30e9), two = with_host(kTwo, 60e9);
  const std::vector<Donor> donors{{one, measured(one)}, {two, measured(two)}};
  const auto result = transfer(donors, with_host(kTarget, 15e9));
  const auto predicted = predict_with(only(result, "host_transfer"), {{"bytes", 1 << 28}});
  EXPECT_NEAR(predicted.seconds, (1 << 28) / (0.9 * 15e9), 0.01 * predicted.seconds);
  EXPECT_THAT(result.left_out,
              ElementsAre(Field(&NotTransferred::reason, HasSubstr("says nothing of hosts"))));
  EXPECT_THAT(transfer(twins(), kTarget).left_out, testing::IsEmpty());
}

/// Attention that reaches the peak and the memory bandwidth as they are, 2 us after its launch.
Model attention(const Card& card) {
  auto model = gemm(card, 1, 1);
  model.operation = "attention";
  model.id = "attention/" + card.id;
  model.validity = {{"batch", {1, 16}},  {"causal", {0, 0}},     {"head_size", {128, 128}},
                    {"heads", {32, 32}}, {"kv_heads", {32, 32}}, {"sequence", {128, 8192}}};
  return model;
}

TEST(Transfer, OfAttentionFollowsThePeakToo) {
  // Slow arithmetic beside the memory: the peak decides.
  const Card one = card("one", {.peak = 10}), two = card("two", {.peak = 20});
  const Card target = card("target", {.peak = 5});
  const std::vector<Donor> donors{{one, {attention(one)}}, {two, {attention(two)}}};
  const auto model = only(transfer(donors, target), "attention");
  EXPECT_EQ(model.form, "roofline");
  const auto time = predict_with(model, {{"batch", 16},
                                         {"causal", 0},
                                         {"head_size", 128},
                                         {"heads", 32},
                                         {"kv_heads", 32},
                                         {"sequence", 8192}});
  EXPECT_NEAR(time.seconds, 4.0 * 16 * 32 * 8192 * 8192 * 128 / 5e12, 0.01 * time.seconds);
  auto bare = target;
  bare.peak.clear();
  EXPECT_THAT([&] { (void)transfer(donors, bare); },
              testing::ThrowsMessage<InvalidInput>(HasSubstr("target gives no peak in bf16")));
}

TEST(Transfer, KeepsLatencyWhateverTheLink) {
  const std::vector<Donor> donors{{kOne, {all_reduce(kOne, 1e-5, 0.8)}},
                                  {kTwo, {all_reduce(kTwo, 2e-5, 0.8)}}};
  const auto model = only(transfer(donors, kTarget), "all_reduce");
  const auto small = predict_with(model, {{"bytes", 512}});
  EXPECT_NEAR(small.seconds, std::sqrt(2.0) * 1e-5, 2e-7);
  EXPECT_LE(small.lo, 1e-5) << "the spread of the measured latencies is in the interval";
  EXPECT_GE(small.hi, 2e-5);
  const auto large = predict_with(model, {{"bytes", 1 << 28}});
  EXPECT_LT(large.hi / large.seconds, 1.35) << "of large messages the cards agree";
}

TEST(Transfer, SaysWhatItIsMadeOf) {
  const auto model = only(transfer(twins(), kTarget), "expert_gemm");
  EXPECT_EQ(model.provenance, "transferred");
  EXPECT_EQ(model.card, "target");
  EXPECT_EQ(model.form, "roofline");
  EXPECT_THAT(model.observation_ids, ElementsAre("expert_gemm/one", "expert_gemm/two"));
  EXPECT_GT(model.quality.held_out_points, 0);
  EXPECT_EQ(only(transfer(twins(), kTarget), "all_reduce").system, "target-8");
}

TEST(Transfer, IsReadBackAndTheSameBytesTwice) {
  const auto text = to_json(transfer(twins(), kTarget).coefficients);
  EXPECT_EQ(text, to_json(transfer(twins(), kTarget).coefficients));
  const auto read = parse_coefficients(text, "text");
  Query query;
  query.operation = "all_reduce";
  query.group = 8;
  query.point = {{"bytes", 1048576}};
  const auto answer = predict(read, query);
  ASSERT_TRUE(answer.prediction.has_value()) << answer.missing;
  EXPECT_EQ(answer.prediction->provenance, "transferred");
}

TEST(Transfer, NeverUsesTheTargetsOwnModels) {
  auto donors = twins();
  donors.push_back({kTarget, {gemm(kTarget, 50, 50)}});
  EXPECT_EQ(parameter(only(transfer(donors, kTarget), "expert_gemm"), "e1"),
            parameter(only(transfer(twins(), kTarget), "expert_gemm"), "e1"));
}

TEST(Transfer, OfACardUnlikeTheOthersIsAsWideAsTheyDiffer) {
  const Card three = card("three", {.peak = 400});
  auto donors = twins();
  donors.push_back({three, {gemm(three, 2.5, 3.0)}});
  const auto model = only(transfer(donors, kTarget), "expert_gemm");
  const auto time = predict_with(model, {{"m", 4096}, {"n", 8192}, {"k", 8192}});
  EXPECT_GE(time.hi / time.seconds, 1.9) << "one card in three takes twice as long";
}

TEST(Transfer, ToAnotherClassIsWiderAndWithinAClassPrefersIt) {
  const auto alien = card("alien", {.device_class = "other"});
  for (const auto& regime : only(transfer(twins(), alien), "expert_gemm").residual_quantiles)
    EXPECT_GE(regime.half_width_90, kOtherClassHalfWidth);
  const auto unknown = card("unknown", {.device_class = ""});
  for (const auto& regime : only(transfer(twins(), unknown), "expert_gemm").residual_quantiles)
    EXPECT_GE(regime.half_width_90, kOtherClassHalfWidth) << "no class is no kinship";

  const auto kin = card("kin", {.device_class = "other"});
  auto donors = twins();
  donors.push_back({kin, {gemm(kin, 4, 4)}});
  const auto model = only(transfer(donors, alien), "expert_gemm");
  EXPECT_THAT(model.observation_ids, ElementsAre("expert_gemm/kin"));
  EXPECT_DOUBLE_EQ(model.residual_quantiles.front().half_width_90, kSameClassHalfWidth);
  const auto time = predict_with(model, {{"m", 64}, {"n", 512}, {"k", 512}});
  EXPECT_THAT(time.flags, testing::Contains(HasSubstr("interval not calibrated")));
}

TEST(Transfer, LeavesOutWhatTheSpecSheetCannotPlace) {
  auto bare = kTarget;
  bare.peak.clear();
  bare.link.rate.reset();
  const auto result = transfer(twins(), bare);
  EXPECT_EQ(result.coefficients.models.size(), 1u);  // the copy
  EXPECT_THAT(
      result.left_out,
      ElementsAre(Field(&NotTransferred::reason, HasSubstr("target gives no link rate")),
                  Field(&NotTransferred::reason, HasSubstr("target gives no peak in bf16"))));
  auto small = kTarget;
  small.devices_per_node = Nominal<int>{4, "test"};
  EXPECT_THAT(transfer(twins(), small).left_out,
              ElementsAre(Field(&NotTransferred::reason, "a node of target has 4 devices")));
  bare.memory_bandwidth.reset();
  EXPECT_THROW((void)transfer(twins(), bare), InvalidInput);
  EXPECT_THROW((void)transfer({}, kTarget), InvalidInput);
}

TEST(Transfer, TakesAMeshsShareOfItsLinks) {
  auto mesh = card("mesh", {.link = 0.3});
  mesh.link.mesh = true;
  mesh.devices_per_node = Nominal<int>{4, "test"};
  const std::vector<Donor> donors{{kOne, {all_reduce(kOne, 1e-5, 0.8, 2)}},
                                  {kTwo, {all_reduce(kTwo, 1e-5, 0.8, 2)}}};
  const auto time = predict_with(only(transfer(donors, mesh), "all_reduce"), {{"bytes", 1 << 28}});
  EXPECT_NEAR(time.seconds, 1e-5 + (1 << 28) / (0.1e12 * 0.8), 0.01 * time.seconds);
}
}  // namespace
}  // namespace moecal::calibration
