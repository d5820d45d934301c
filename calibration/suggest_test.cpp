// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/suggest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calibration/testing/synthetic.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

using testing::HasSubstr;

Wish all_reduce_of(std::int64_t bytes, int group = 8) {
  Query query{.operation = "all_reduce", .dtype = "f32", .point = {{"bytes", bytes}}};
  query.group = group;
  return {query};
}

/// 512 B to 16 MiB, doubling; `kept` says which are measured.
std::vector<ObservationFile> measured(const std::function<bool(std::int64_t)>& kept,
                                      double step = 1) {
  std::vector<Observation> seen;
  for (auto& o :
       synthetic::curve("all_reduce", 8, 16,
                        [&](double b) { return (1e-5 + b / 1e10) * (b > 65536 ? step : 1); }, {}))
    if (kept(o.point.at("bytes"))) seen.push_back(std::move(o));
  return {synthetic::file(std::move(seen))};
}

std::vector<std::int64_t> bytes_of(const Suggestions& suggestions) {
  std::vector<std::int64_t> result;
  for (const auto& point : suggestions.points) result.push_back(point.point.at("bytes"));
  return result;
}

TEST(Suggest, FillsTheHoleThatAWishLiesIn) {
  const auto files = measured([](std::int64_t b) { return b <= 4096 || b >= (4 << 20); });
  const auto result = suggest(files, {.wishes = {all_reduce_of(1 << 17)}, .count = 3});
  ASSERT_FALSE(result.points.empty());
  EXPECT_EQ(result.points[0].point.at("bytes"), 1 << 17);
  EXPECT_EQ(result.points[0].why, "between measured points");
  EXPECT_LT(result.points[0].half_width, result.half_width);
}

TEST(Suggest, TakesAPointThatServesSeveralWishes) {
  SuggestRequest request;
  for (std::int64_t bytes = 1024; bytes <= (16 << 20); bytes *= 2)
    request.wishes.push_back(all_reduce_of(bytes));
  request.count = 4;
  const auto bytes = bytes_of(suggest({}, request));
  ASSERT_EQ(bytes.size(), 4u);
  EXPECT_GT(bytes[0], 8 << 10);  // the middle first
  EXPECT_LT(bytes[0], 4 << 20);
}

TEST(Suggest, LetsADtypeStandInAsAPredictionDoes) {
  const auto files = measured([](std::int64_t) { return true; });  // in f32
  auto wish = all_reduce_of(1 << 16);
  wish.query.dtype = "int32";
  EXPECT_TRUE(suggest(files, {.wishes = {wish}, .count = 3}).points.empty());
}

TEST(Suggest, AsksForASumInATypeOfAnotherWidth) {
  const auto files = measured([](std::int64_t) { return true; });  // in f32
  auto wish = all_reduce_of(1 << 16);
  wish.query.dtype = "int8";
  const auto result = suggest(files, {.wishes = {wish}, .count = 1});
  ASSERT_EQ(result.points.size(), 1u);
  EXPECT_EQ(result.points[0].dtypes.a, "int8");
  EXPECT_EQ(result.points[0].why, "only another dtype is measured");
}

TEST(Suggest, TakesACopyInAnyType) {
  auto gathered =
      synthetic::curve("all_gather", 8, 16, [](double b) { return 1e-5 + b / 1e10; }, {});
  auto wish = all_reduce_of(1 << 16);
  wish.query.operation = "all_gather";
  wish.query.dtype = "int8";
  const std::vector<ObservationFile> files{synthetic::file(std::move(gathered))};
  EXPECT_TRUE(suggest(files, {.wishes = {wish}, .count = 1}).points.empty());
}

TEST(Suggest, NeverRepeatsWhatIsMeasured) {
  const auto files = measured([](std::int64_t) { return true; });
  SuggestRequest request{.wishes = {all_reduce_of(1 << 16), all_reduce_of(1 << 20)}, .count = 10};
  for (const auto bytes : bytes_of(suggest(files, request)))
    EXPECT_TRUE((bytes & (bytes - 1)) != 0) << bytes << " was measured";
}

TEST(Suggest, AsksForAPointWhereTheLibrarySwitches) {
  const auto sparse = [](std::int64_t b) {
    return b != (1 << 15) && b != (1 << 18) && b != (1 << 17);
  };
  SuggestRequest request;
  for (int i = 10; i < 24; ++i) request.wishes.push_back(all_reduce_of(std::int64_t{1} << i));
  request.count = 1;
  const auto plain = suggest(measured(sparse), request);
  const auto stepped = suggest(measured(sparse, 5.0), request);
  ASSERT_EQ(stepped.points.size(), 1u);
  EXPECT_THAT(stepped.points[0].why, HasSubstr("switches between 65536 and 524288 bytes"));
  EXPECT_GT(stepped.half_width, plain.half_width);
}

TEST(Suggest, AsksInsideASwitchWhereEveryDoublingIsMeasured) {
  const auto every = [](std::int64_t) { return true; };
  SuggestRequest request;
  for (int i = 10; i < 24; ++i) request.wishes.push_back(all_reduce_of(std::int64_t{1} << i));
  EXPECT_TRUE(suggest(measured(every), request).points.empty());
  for (const double step : {5.0, 0.1}) {  // to a slower protocol, to a faster one
    const auto result = suggest(measured(every, step), request);
    ASSERT_EQ(result.points.size(), 1u) << step;
    EXPECT_EQ(result.points[0].point.at("bytes"), 94208);  // 23 x 4096, near sqrt(2) x 65536
    EXPECT_THAT(result.points[0].why, HasSubstr("switches between 65536 and 131072 bytes"));
    EXPECT_LT(result.points[0].half_width, result.half_width);
  }
}

TEST(Suggest, NamesWhatNothingLikeItIsMeasuredOf) {
  Query gemm{.operation = "expert_gemm",
             .dtype = "fp8_e4m3",
             .point = {{"m", 256}, {"n", 1024}, {"k", 512}}};
  const auto result = suggest({}, {.wishes = {{gemm}}});
  ASSERT_EQ(result.points.size(), 1u);
  const auto& point = result.points[0];
  EXPECT_EQ(point.why, "nothing like it is measured");
  EXPECT_EQ(point.dtypes, (Dtypes{"fp8_e4m3", "fp8_e4m3", "bf16", "f32", "tensor", "TN"}));
}

Point groups_of(std::int64_t rows) { return {{"groups", 8}, {"m", rows}, {"n", 512}, {"k", 512}}; }

/// Grouped GEMMs of 64, 256 and 1024 rows, routed.
std::vector<ObservationFile> grouped_gemms(const RoutingSpec& routing) {
  std::vector<Observation> seen;
  for (const std::int64_t rows : {64, 256, 1024}) {
    seen.push_back(
        synthetic::observation("grouped_gemm", groups_of(rows), 1e-7 * static_cast<double>(rows)));
    seen.back().routed = true;
    seen.back().routing = routing;
  }
  return {synthetic::file(std::move(seen))};
}

TEST(Suggest, DoesNotRepeatAGroupedGemmUnderTheSameRouting) {
  const RoutingSpec balanced{.distribution = "balanced"}, skewed{"power_law", 1, 1.2};
  Query query{.operation = "grouped_gemm", .dtype = "f32", .point = groups_of(256)};
  EXPECT_TRUE(suggest(grouped_gemms(balanced), {.wishes = {{query}}}).points.empty())
      << "without a word on it groups have the same rows";
  const auto other = suggest(grouped_gemms(skewed), {.wishes = {{query}}});
  ASSERT_EQ(other.points.size(), 1u);
  EXPECT_TRUE(other.points[0].routed);
  EXPECT_EQ(other.points[0].routing.distribution, "balanced");
  query.routing = "power_law";
  query.exponent = 1.2;
  EXPECT_TRUE(suggest(grouped_gemms(skewed), {.wishes = {{query}}}).points.empty());
  query.capacity_factor = 1.5;
  const auto limited = suggest(grouped_gemms(skewed), {.wishes = {{query}}});
  ASSERT_EQ(limited.points.size(), 1u);
  EXPECT_EQ(limited.points[0].routing, (RoutingSpec{"power_law", 1, 1.2, 1.5}));
}

TEST(Suggest, AsksForTheRoutingOfAWishWhereNothingIsMeasured) {
  Query query{.operation = "permute",
              .dtype = "bf16",
              .point = {{"tokens", 512}, {"hidden", 1024}, {"experts", 16}, {"top_k", 2}},
              .routing = "power_law"};
  query.exponent = 1.5;
  const auto result = suggest({}, {.wishes = {{query}}});
  ASSERT_EQ(result.points.size(), 1u);
  EXPECT_TRUE(result.points[0].routed);
  EXPECT_EQ(result.points[0].routing, (RoutingSpec{"power_law", 1, 1.5}));
}

TEST(Suggest, TellsShapesOfEqualBytesApart) {
  const auto attention = [](std::int64_t batch, std::int64_t heads) {
    return Point{{"batch", batch},   {"heads", heads},  {"kv_heads", heads},
                 {"sequence", 1024}, {"head_size", 64}, {"causal", 0}};
  };
  std::vector<Observation> seen;
  for (const std::int64_t batch : {1, 2, 4})
    seen.push_back(synthetic::observation("attention", attention(batch, 8),
                                          1e-4 * static_cast<double>(batch)));
  const std::vector<ObservationFile> files{synthetic::file(std::move(seen))};
  Query query{.operation = "attention", .dtype = "f32", .point = attention(2, 8)};
  EXPECT_TRUE(suggest(files, {.wishes = {{query}}}).points.empty());
  query.point = attention(4, 4);  // as many bytes as 2 batches of 8 heads
  EXPECT_EQ(suggest(files, {.wishes = {{query}}}).points.size(), 1u);
}

TEST(Suggest, FollowsTheWeights) {
  SuggestRequest request{.wishes = {all_reduce_of(1 << 10), all_reduce_of(1 << 24)}, .count = 1};
  request.wishes[1].weight = 50;
  EXPECT_EQ(bytes_of(suggest({}, request)), std::vector<std::int64_t>{1 << 24});
}

TEST(Suggest, WantsOneMachine) {
  auto files = measured([](std::int64_t) { return true; });
  auto other = synthetic::observation("all_reduce", {{"bytes", 1024}}, 1e-5);
  Environment environment = synthetic::environment();
  environment.card = "cpu-other";
  other.environment_id = environment.id();
  files.push_back({{environment}, {other}});
  EXPECT_THROW((void)suggest(files, {.wishes = {all_reduce_of(1024)}}), InvalidInput);
}

}  // namespace
}  // namespace moecal::calibration
