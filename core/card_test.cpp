// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/card.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/error.hpp"
#include "tests/temporary_folder.hpp"

namespace moecal {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

/// What read_card says of a spec sheet with this text; empty if it is fine.
std::string what_is_wrong(const std::string& text) {
  const TemporaryFolder folder;
  const auto path = folder.write("card.toml", text);
  try {
    (void)read_card(path);
  } catch (const InvalidInput& error) {
    EXPECT_THAT(error.what(), HasSubstr(path));
    return error.what();
  }
  return "";
}

const std::string kHead = "id = \"x\"\nname = \"X\"\naliases = []\n";

TEST(Card, IsFoundByIdAliasAndDeviceName) {
  for (const char* name : {"b200-sxm", "b200_sxm", "NVIDIA B200", "nvidia b200"})
    EXPECT_EQ(find_card(name).id, "b200-sxm") << name;
  EXPECT_EQ(find_card("NVIDIA H100 80GB HBM3").id, "h100-sxm");
  EXPECT_EQ(find_card("NVIDIA A100-SXM4-80GB").id, "a100-sxm-80");
  EXPECT_EQ(find_card("NVIDIA A100-SXM-64GB").id, "a100-64");
}

TEST(Card, OfACpuHasNoNominalFigures) {
  const auto card = find_card("cpu-amd-epyc-7b13");
  EXPECT_EQ(card.id, "cpu-amd-epyc-7b13");
  EXPECT_FALSE(card.memory_bandwidth.has_value());
  EXPECT_FALSE(card.dense_peak("f32").has_value());
}

TEST(Card, UnknownNamesAreAnsweredWithTheKnownOnes) {
  try {
    (void)find_card("NVIDIA Graphics Device");
    FAIL() << "an unknown card was found";
  } catch (const InvalidInput& error) {
    EXPECT_THAT(error.what(), HasSubstr("unknown card 'NVIDIA Graphics Device'; known: a100-64"));
    EXPECT_THAT(error.what(), HasSubstr(" b200-sxm"));
  }
}

TEST(Card, EverySheetHasItsFileNameAndSourcedFigures) {
  const auto cards = known_cards();
  EXPECT_GE(cards.size(), 10u);
  for (const auto& card : cards) {
    EXPECT_EQ(find_card(card.id).name, card.name);
    EXPECT_TRUE(
        std::filesystem::exists(std::string{MOECAL_SOURCE_DIR} + "/hardware/" + card.id + ".toml"))
        << card.id;
    ASSERT_TRUE(card.memory.has_value()) << card.id;
    EXPECT_FALSE(card.memory->source.empty()) << card.id;
  }
}

TEST(Card, PeaksAreDenseAndSharedByTwinTypes) {
  const auto card = find_card("h100-sxm");
  EXPECT_DOUBLE_EQ(card.dense_peak("bf16")->value(), 9.895e14);
  EXPECT_EQ(card.dense_peak("fp8_e5m2"), card.dense_peak("fp8_e4m3"));
  EXPECT_DOUBLE_EQ(card.dense_peak("f32")->value(), 6.7e13) << "without TF32";
  EXPECT_DOUBLE_EQ(card.peak.at("tf32").value.value(), 4.945e14);
  EXPECT_FALSE(card.dense_peak("int32").has_value());
  EXPECT_FALSE(card.bounding_peak("int32").has_value());
  EXPECT_FALSE(find_card("a100-sxm-80").dense_peak("fp8_e4m3").has_value());
}

TEST(Card, BoundsProductsOfFloatsByTf32WhereThatIsKnown) {
  const auto bound = find_card("h100-sxm").bounding_peak("f32");
  EXPECT_DOUBLE_EQ(bound->rate.value(), 4.945e14);
  EXPECT_EQ(bound->of, "tf32");
  EXPECT_EQ(find_card("mi210").bounding_peak("f32")->of, "f32");
  EXPECT_EQ(find_card("h100-sxm").bounding_peak("f16")->of, "f16");
}

TEST(Card, KnowsItsClassAndWhichFiguresAreNotVerified) {
  EXPECT_EQ(find_card("a100-64").device_class, find_card("b200-sxm").device_class);
  EXPECT_NE(find_card("mi210").device_class, find_card("b200-sxm").device_class);
  EXPECT_EQ(find_card("docs-64gb").device_class, "") << "no product, so of no known class";
  EXPECT_THAT(find_card("a100-64").unverified,
              Contains(HasSubstr("dense_peak_flops_per_second.bf16")));
  EXPECT_THAT(find_card("b200-sxm").unverified, IsEmpty());
}

TEST(Card, GivesAGroupTheWholeLinkOfASwitchAndItsShareOfAMesh) {
  EXPECT_DOUBLE_EQ(find_card("b200-sxm").link_rate(2)->value(), 9e11);
  const auto mesh = find_card("a100-64");  // four devices, each two joined by 100 GB/s
  EXPECT_DOUBLE_EQ(mesh.link_rate(2)->value(), 1e11);
  EXPECT_DOUBLE_EQ(mesh.link_rate(4)->value(), 3e11);
  EXPECT_DOUBLE_EQ(find_card("ascend-910b").link_rate(2)->value(), 2.8e10);
  EXPECT_FALSE(find_card("mi250x").link_rate(2).has_value());
  EXPECT_FALSE(find_card("mi210").link_rate(2).has_value()) << "servers hold 1 to 8 of them";
}

TEST(CardReader, NamesFileAndKey) {
  EXPECT_EQ(what_is_wrong(kHead), "");
  EXPECT_THAT(what_is_wrong("id = \"x\"\n"), HasSubstr("key 'name' must be a text"));
  EXPECT_THAT(what_is_wrong(kHead + "memory_bytes = 3\n"),
              HasSubstr("key 'memory_bytes' must be a table {value"));
  EXPECT_THAT(what_is_wrong(kHead + "memory_bytes = {value = -1, source = \"s\"}\n"),
              HasSubstr("key 'memory_bytes.value' must be a number above zero"));
  EXPECT_THAT(what_is_wrong(kHead + "memory_bytes = {value = 1}\n"),
              HasSubstr("key 'memory_bytes.source' must be a text"));
  EXPECT_THAT(what_is_wrong(kHead + "memory_bits = 3\n"),
              HasSubstr("key 'memory_bits' is not a key of a spec sheet"));
  EXPECT_THAT(what_is_wrong(kHead + "[dense_peak_flops_per_second]\nf17 = {}\n"),
              HasSubstr("key 'dense_peak_flops_per_second.f17' is no dtype"));
  EXPECT_THAT(what_is_wrong(kHead + "class = 3\n"), HasSubstr("key 'class' must be a text"));
  EXPECT_THAT(
      what_is_wrong(kHead + "memory_bytes = {value = 1, source = \"s\", verified = \"no\"}\n"),
      HasSubstr("key 'memory_bytes.verified' must be true or false"));
  EXPECT_THAT(what_is_wrong("id = \n"), HasSubstr(":1: not valid TOML"));
}

}  // namespace
}  // namespace moecal
