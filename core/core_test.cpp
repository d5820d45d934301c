// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/collective.hpp"
#include "core/element.hpp"
#include "core/hash.hpp"
#include "core/json_reader.hpp"
#include "core/narrow_float.hpp"
#include "core/observation.hpp"
#include "tests/temporary_folder.hpp"
#include "tests/thrown_message.hpp"

namespace moecal {
namespace {

Observation sample_observation(const Environment& environment) {
  Observation o;
  o.run_id = "run";
  o.operation = "permute";
  o.implementation = "own";
  o.backend = "cpu";
  o.dtypes = {"bf16", "", "bf16", "f32", "none", ""};
  o.point = {{"tokens", 31}, {"hidden", 512}};
  o.samples_s = {1e-3, 2e-3, 4e-3};
  o.environment_id = environment.id();
  return o;
}

std::string what_is_wrong(const std::string& text) {
  std::istringstream stream{text};
  try {
    (void)read_observations(stream, "a.jsonl");
  } catch (const InvalidInput& error) {
    return error.what();
  }
  return "";
}

TEST(Hash, MatchesTheStandardsVectors) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Collectives, HaveTheirBusFactors) {
  EXPECT_EQ(bus_factor("all_reduce", 8), 1.75);
  EXPECT_EQ(bus_factor("all_reduce", 2), 1);
  for (const auto* gathering : {"all_gather", "reduce_scatter", "all_to_all", "all_to_all_v"})
    EXPECT_EQ(bus_factor(gathering, 4), 0.75) << gathering;
  for (const auto* rooted : {"broadcast", "send_recv"}) {
    EXPECT_EQ(bus_factor(rooted, 4), 1) << rooted;
    EXPECT_FALSE(find_collective(rooted)->in_step);
  }
  EXPECT_FALSE(is_collective("permute"));
  try {
    static_cast<void>(bus_factor("permute", 2));
    FAIL();
  } catch (const InvalidInput& error) {
    EXPECT_STREQ(error.what(),
                 "'permute' is no collective; known: all_reduce all_gather "
                 "reduce_scatter all_to_all all_to_all_v broadcast send_recv");
  }
}

TEST(Collectives, HaveBlocksWhereEachRankHasAPartOfTheBytes) {
  for (const auto* in_blocks : {"all_gather", "reduce_scatter", "all_to_all"})
    EXPECT_TRUE(has_blocks(in_blocks)) << in_blocks;
  for (const auto* whole : {"all_reduce", "all_to_all_v", "broadcast", "send_recv", "permute"})
    EXPECT_FALSE(has_blocks(whole)) << whole;
}

TEST(Observation, SurvivesItsFile) {
  const Environment environment{"cpu-x", "cpu-x-1", "X", "host", "", {}, {}};
  auto original = sample_observation(environment);
  original.parts_s = {{"gemm", {1e-3, 2e-3}}, {"permute", {3e-3}}};
  original.parts_cache = {{"gemm", "cold"}, {"permute", "warm"}};
  original.policy.cache = "cold";
  std::istringstream stream{to_json_line(environment) + to_json_line(original)};
  const auto file = read_observations(stream, "a.jsonl");
  ASSERT_EQ(file.observations.size(), 1u);
  EXPECT_EQ(file.observations[0].parts_s, original.parts_s);
  EXPECT_EQ(file.observations[0].parts_cache, original.parts_cache);
  EXPECT_THAT(to_json_line(original), testing::HasSubstr("\"parts_over_whole\":null"));
  EXPECT_THAT(to_json_line(original), testing::HasSubstr("\"least_parts_over_whole\":"));
  EXPECT_EQ(to_json_line(file.observations[0]), to_json_line(original));
  EXPECT_EQ(file.environment(original.environment_id).card, "cpu-x");
  EXPECT_DOUBLE_EQ(file.observations[0].seconds(), 2e-3);
}

TEST(Observation, KeyForgetsWhatOnlyTheMeasurementTells) {
  const Observation planned = sample_observation({});
  Observation measured = planned;
  measured.policy.warmup = 37;
  measured.run_id = "other";
  EXPECT_EQ(measured.key(), planned.key());
  measured.policy.cache = "cold";
  EXPECT_NE(measured.key(), planned.key());
}

TEST(Observation, ThrottledSamplesDoNotCount) {
  auto o = sample_observation({});
  o.flags.throttled = {false, false, true};
  EXPECT_DOUBLE_EQ(o.seconds(), 1.5e-3);
}

TEST(Observation, IsLaunchBoundWhereItWasNotHeldAndTheHostTookAsLong) {
  auto o = sample_observation({});
  o.samples_s = {10e-6, 10e-6, 10e-6};
  o.host_s = {9e-6, 9e-6, 1e-6};
  EXPECT_FALSE(o.is_launch_bound()) << "it says nothing of having been led";
  o.sample.timer = kLedTimer;
  EXPECT_TRUE(o.is_launch_bound());
  o.host_s = {7e-6, 7e-6, 1e-6};
  EXPECT_FALSE(o.is_launch_bound());
  o.host_s.clear();
  EXPECT_FALSE(o.is_launch_bound());
}

TEST(ObservationReader, NamesFileLineAndField) {
  auto line = to_json_line(sample_observation({}));
  auto bad = line;
  bad.replace(bad.find("\"permute\""), 9, "7");
  EXPECT_EQ(what_is_wrong(line + bad), "a.jsonl:2: field 'operation' has the wrong type");
  bad = line;
  bad.replace(bad.find("observation/1"), 13, "observation/9");
  EXPECT_THAT(what_is_wrong(bad),
              testing::HasSubstr("a.jsonl:1: field 'schema' is 'moecal.observation/9'"));
  bad = line;
  bad.replace(bad.find("0.001"), 5, "-0.01");
  EXPECT_THAT(what_is_wrong(bad),
              testing::HasSubstr(
                  "field 'samples_s' holds a value that is not a positive number of seconds"));
}

TEST(ObservationReader, RefusesNumbersThatNoPointHas) {
  const auto line = to_json_line(sample_observation({}));
  const std::vector<std::array<std::string, 3>> cases{
      {"\"tokens\":31", "\"tokens\":1.5", "a.jsonl:1: field 'point.tokens' is no whole number"},
      {"\"tokens\":31", "\"tokens\":-31", "a.jsonl:1: field 'point.tokens' is negative"},
      {"\"tokens\":31", "\"tokens\":31000000000000000000000", "'point.tokens' is no whole number"},
      {"\"bf16\"", "\"bogus\"", "field 'dtypes.a' is wrong: unknown dtype 'bogus'"},
      {"\"group\":1", "\"group\":9999999999", "field 'ranks.group' is out of range"},
      {"\"group\":1", "\"group\":-1", "field 'ranks.group' is less than 1"},
      {"0.001", "1e999", "not valid JSON: number overflow"}};
  for (const auto& [what, with, message] : cases) {
    auto bad = line;
    ASSERT_NE(bad.find(what), std::string::npos) << what;
    bad.replace(bad.find(what), what.size(), with);
    EXPECT_THAT(what_is_wrong(bad), testing::HasSubstr(message));
  }
}

TEST(ObservationReader, RefusesBytesThatNoRanksExchanged) {
  auto o = sample_observation({});
  o.ranks.group = 2;
  o.exchanged = {{3, 5}, {8, 0}};
  std::istringstream whole{to_json_line(o)};
  EXPECT_EQ(read_observations(whole, "a.jsonl").observations.at(0).exchanged, o.exchanged);
  EXPECT_DOUBLE_EQ(bytes_of_busiest_rank(o.exchanged), 8);
  EXPECT_DOUBLE_EQ(mean_bytes(o.exchanged), 4);
  const std::vector<std::pair<ExchangedBytes, std::string>> cases{
      {{{3, 5, 0}, {8, 0, 0}}, "field 'exchanged.sent_bytes' has another length than the group"},
      {{{3, 5}, {9, -1}}, "field 'exchanged.received_bytes' holds a negative number"},
      {{{3, 5}, {8, 1}}, "field 'exchanged.received_bytes' does not add up to what is sent"}};
  for (const auto& [wrong, message] : cases) {
    o.exchanged = wrong;
    EXPECT_THAT(what_is_wrong(to_json_line(o)), testing::HasSubstr("a.jsonl:1: " + message));
  }
}

TEST(ObservationReader, ReadsAWholeLastLineWithoutItsNewline) {
  const auto line = to_json_line(sample_observation({}));
  std::istringstream whole{line + line.substr(0, line.size() - 1)};
  EXPECT_EQ(read_observations(whole, "a.jsonl").observations.size(), 2u);
  auto bad = line.substr(0, line.size() - 1);
  bad.replace(bad.find("\"permute\""), 9, "7");
  EXPECT_EQ(what_is_wrong(line + bad), "a.jsonl:2: field 'operation' has the wrong type");
}

TEST(ObservationReader, NamesADirectory) {
  const std::string folder = std::filesystem::temp_directory_path();
  try {
    (void)read_observations(folder);
    FAIL();
  } catch (const InvalidInput& error) {
    EXPECT_EQ(std::string{error.what()}, "'" + folder + "' is a directory: name a file");
  }
}

TEST(ObservationReader, ForgivesOnlyTheLastHalfLine) {
  const auto line = to_json_line(sample_observation({}));
  EXPECT_EQ(what_is_wrong(line + line.substr(0, line.size() / 2)), "");
  EXPECT_THAT(what_is_wrong(line.substr(0, line.size() / 2) + "\n" + line),
              testing::HasSubstr("a.jsonl:1: not valid JSON"));
}

/// A file that held `before`, after `line` was appended to it.
std::string appended_to(const std::string& before, const std::string& line) {
  const TemporaryFolder folder;
  const auto path = folder.write("lines.jsonl", before);
  std::stringstream text;
  try {
    LineAppender{path}.append(line);
  } catch (const InvalidInput& error) {
    text << error.what() << "\n";
  }
  text << std::ifstream{path}.rdbuf();
  return text.str();
}

TEST(ForeignJson, ForgivesNumbersThatJsonLacksAndKnowsItsLines) {
  const auto json = parse_foreign_json(
      "{\"a\": nan,\n \"b\": [-inf, Infinity],\n \"c\": {\"says\": \"a \\\"nan\\\" in\\n it\"},\n "
      "\"d\": [{}, {\n}]}",
      {"a.json", 0});
  EXPECT_EQ(json.at("a"), "nan");
  EXPECT_EQ(json.at("b").at(0), "-inf");
  EXPECT_EQ(json.at("b").at(1), "Infinity");
  EXPECT_EQ(json.at("c").at("says"), "a \"nan\" in\n it");
  EXPECT_EQ(json.at(kLineMember), 1);
  EXPECT_EQ(json.at("c").at(kLineMember), 3);
  EXPECT_EQ(json.at("d").at(1).at(kLineMember), 4);
}

TEST(ForeignJson, SaysAtWhichLineItIsNone) {
  try {
    (void)parse_foreign_json("{\"a\": 1,\n\"b\": oops\n}", {"a.json", 0});
    FAIL();
  } catch (const InvalidInput& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("a.json:2: not valid JSON"));
  }
}

TEST(LineAppender, CutsTheHalfLineOfADeadWriter) {
  const auto observation = to_json_line(sample_observation({}));
  EXPECT_EQ(appended_to(observation.substr(0, 30), "next\n"), "next\n");
  const auto record = to_json_line(Environment{});
  const auto half = record.substr(0, 20);
  EXPECT_EQ(appended_to(record + half, "next\n"), record + "next\n");
  EXPECT_EQ(appended_to(half, "next\n"), "next\n");
  EXPECT_EQ(appended_to("", "next\n"), "next\n");
}

TEST(LineAppender, EndsAWholeRecordThatLacksItsNewline) {
  const auto record = to_json_line(Environment{});
  const auto bare = record.substr(0, record.size() - 1);
  EXPECT_EQ(appended_to(bare, "next\n"), record + "next\n");
  EXPECT_EQ(appended_to(record + bare, "next\n"), record + record + "next\n");
}

TEST(LineAppender, LeavesAFileThatIsNotOursAsItIs) {
  const auto record = to_json_line(Environment{});
  for (const std::string& text :
       {std::string{"one line without an end"}, std::string{"one line\n"},
        std::string{"two\nlines"}, std::string{"{\"a\": 1}\n{\"b\""}, record + "a remark",
        std::string{"{\"a\": 1}"}, std::string(100'000, 'x'), std::string{"\n"}}) {
    const auto after = appended_to(text, "next\n");
    EXPECT_THAT(after, testing::HasSubstr("holds something else than moecal's observations"));
    EXPECT_THAT(after, testing::EndsWith("\n" + text));
  }
}

TEST(LineAppender, SaysWhatAFullDiskMeans) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  LineAppender appender{"/dev/full"};
  EXPECT_THROW(appender.append("line\n"), Error);
  EXPECT_THROW(appender.append_unflushed("line\n"), Error);
}

TEST(Observation, KeepsWhatIsKnownOfSingleCalls) {
  Observation o;
  o.operation = "all_reduce";
  o.point = {{"bytes", 1024}};
  o.samples_s = o.call_s = o.transfer_s = o.skew_s = o.skew_floor_s = {1e-3};
  o.host_s = {4e-6};
  o.late_rank = {2};
  o.late_hosts = {{2, "node7"}};
  o.ranks.group = 4;
  o.routed = true;
  o.routing = {"recorded", 3, 1.2, 0, {6, 0, 3}};
  const std::string line = to_json_line(o);
  EXPECT_NE(line.find("\"p50_s\":0.001,\"p95_s\":null,\"p99_s\":null"), std::string::npos) << line;
  EXPECT_NE(line.find("\"busbw_bytes_per_s\":1536000.0"), std::string::npos) << line;
  std::istringstream stream{line};
  const auto read = read_observations(stream, "line").observations.at(0);
  EXPECT_EQ(read.call_s, o.call_s);
  EXPECT_EQ(read.host_s, o.host_s);
  EXPECT_EQ(read.skew_floor_s, o.skew_floor_s);
  EXPECT_EQ(read.late_hosts, o.late_hosts);
  EXPECT_EQ(read.routing, o.routing);
  EXPECT_EQ(to_json_line(read), line);
  for (const RoutingSpec& wrong :
       {RoutingSpec{"recorded", 3, 1.2, 0, {}}, RoutingSpec{"uniform", 3, 0, 0, {6, 0, 3}},
        RoutingSpec{"recorded", 3, 1.2, 0, {6, -1, 3}}}) {
    o.routing = wrong;
    std::istringstream refused{to_json_line(o)};
    EXPECT_THROW((void)read_observations(refused, "line"), InvalidInput);
  }
}

TEST(Observation, KeepsFiguresAndRefusesThemAsText) {
  Observation o;
  o.operation = "launch";
  o.samples_s = {1e-3};
  EXPECT_EQ(to_json_line(o).find("figures"), std::string::npos) << "few have any";
  o.figures = {{"event_resolution_s", 5.12e-7}};
  const std::string line = to_json_line(o);
  std::istringstream stream{line};
  const auto read = read_observations(stream, "a.jsonl").observations.at(0);
  EXPECT_EQ(read.figures, o.figures);
  EXPECT_EQ(to_json_line(read), line);
  const std::string number = "5.12e-07";
  ASSERT_NE(line.find(number), std::string::npos) << line;
  std::istringstream text{std::string{line}.replace(line.find(number), number.size(), "\"half\"")};
  EXPECT_THAT(thrown_message([&] { (void)read_observations(text, "a.jsonl"); }),
              testing::AllOf(testing::HasSubstr("a.jsonl:1"), testing::HasSubstr("figures")));
}

TEST(NarrowFloat, KeepsEveryValueItCanHold) {
  for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const auto pattern = static_cast<std::uint16_t>(bits);
    const float bfloat = to_float(BFloat16{pattern});
    const float half = to_float(Float16{pattern});
    EXPECT_TRUE(std::isnan(bfloat) || from_float<BFloat16>(bfloat).bits == pattern) << bits;
    EXPECT_TRUE(std::isnan(half) || from_float<Float16>(half).bits == pattern) << bits;
  }
}

TEST(NarrowFloat, RoundsToNearestAndTiesToEven) {
  EXPECT_EQ(to_float(Float16{0x3c01}), 1 + 0x1p-10F);
  EXPECT_EQ(to_float(Float16{0x8001}), -0x1p-24F);
  EXPECT_EQ(to_float(BFloat16{0x3f81}), 1 + 0x1p-7F);
  EXPECT_EQ(from_float<Float16>(1 + 0x1p-11F).bits, 0x3c00);  // a tie: 1 is even
  EXPECT_EQ(from_float<Float16>(1 + 0x3p-11F).bits, 0x3c02);  // a tie: 1 + 2^-9 is
  EXPECT_EQ(from_float<Float16>(0x1.8p-24F).bits, 0x0002);
  EXPECT_EQ(from_float<Float16>(65519.0F).bits, 0x7bff);
  EXPECT_EQ(from_float<Float16>(65520.0F).bits, 0x7c00);
  EXPECT_EQ(from_float<BFloat16>(1 + 0x1p-8F).bits, 0x3f80);
  EXPECT_EQ(from_float<BFloat16>(1 + 0x3p-8F).bits, 0x3f82);
  EXPECT_TRUE(std::isnan(to_float(from_float<Float16>(NAN))));
  EXPECT_TRUE(std::isnan(to_float(from_float<BFloat16>(NAN))));
  EXPECT_THROW(with_float_type(Dtype::int8, [](auto) {}), InvalidInput);
}

template <class T>
void expect_fp8_rounds_as_elements_do(Dtype dtype) {
  const auto encoded = [dtype](float value) {
    std::byte bits{};
    encode_element(dtype, value, &bits);
    return std::to_integer<std::uint8_t>(bits);
  };
  for (std::uint32_t bits = 0; bits < 0x7f800000U; bits += 9973) {
    const auto value = std::bit_cast<float>(bits);
    ASSERT_EQ(from_float<T>(value).bits, encoded(value)) << value;
    ASSERT_EQ(from_float<T>(-value).bits, encoded(-value)) << -value;
  }
  for (int code = 0; code < 0x7c; ++code) {  // every number and the ties above it
    const auto low = static_cast<std::byte>(code), high = static_cast<std::byte>(code + 1);
    const double number = decode_element(dtype, &low), next = decode_element(dtype, &high);
    EXPECT_EQ(from_float<T>(static_cast<float>(number)).bits, code);
    if (!std::isfinite(next)) continue;
    const auto tie = static_cast<float>((number + next) / 2);
    for (const float value : {std::nextafter(tie, 0.0F), tie, std::nextafter(tie, INFINITY)})
      EXPECT_EQ(from_float<T>(value).bits, encoded(value)) << value;
  }
  EXPECT_EQ(from_float<T>(-INFINITY).bits, encoded(-INFINITY));
  EXPECT_EQ(from_float<T>(NAN).bits, 0x7f);
}

TEST(NarrowFloat, RoundsToFp8AsElementsDo) {
  expect_fp8_rounds_as_elements_do<Fp8E4M3>(Dtype::fp8_e4m3);
  expect_fp8_rounds_as_elements_do<Fp8E5M2>(Dtype::fp8_e5m2);
}

}  // namespace
}  // namespace moecal
