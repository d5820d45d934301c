// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "core/data_dir.hpp"
#include "core/error.hpp"
#include "core/json_reader.hpp"
#include "planning/check.hpp"
#include "planning/testing/one_claim.hpp"

namespace moecal::planning {
namespace {

// The committed documents, with one of them edited as a user would.
class EditedDocument : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path{testing::TempDir()} / "edited_claims";
    std::filesystem::remove_all(folder_);
    std::filesystem::copy(data_path("claims"), folder_);
  }
  void edit(const std::string& slug, const std::function<void(nlohmann::json&)>& change) {
    const auto path = (folder_ / (slug + ".json")).string();
    auto json = parse_json(read_file(path), {path, 0});
    change(json);
    std::ofstream{path} << json.dump(1);
  }
  static nlohmann::json& find(nlohmann::json& document, const std::string& id) {
    for (auto& claim : document["claims"])
      if (claim["id"] == id) return claim;
    throw Error{"no claim " + id};
  }
  [[nodiscard]] Verdict verdict(const std::string& slug, const std::string& id) const {
    const auto set = read_claims(folder_.string());
    for (const auto& document : set.documents)
      if (document.slug == slug)
        return check_claim(set, document, claim_of(document, id), nullptr).verdict;
    throw Error{"no document " + slug};
  }
  std::filesystem::path folder_;
};

TEST_F(EditedDocument, AValueMovesTheVerdictBothWays) {
  const std::string memory = "b200-8gpu.dp2-ep4.batch2-memory";
  EXPECT_EQ(verdict("b200-8gpu", memory), Verdict::contradicted);
  edit("b200-8gpu", [&](auto& d) { find(d, memory)["value"] = 70; });
  EXPECT_EQ(verdict("b200-8gpu", memory), Verdict::holds);
  const std::string gpus = "b200-8gpu.dp2-ep4.gpu-count";
  EXPECT_EQ(verdict("b200-8gpu", gpus), Verdict::holds);
  edit("b200-8gpu", [&](auto& d) { find(d, gpus)["value"] = 9; });
  EXPECT_EQ(verdict("b200-8gpu", gpus), Verdict::contradicted);
}

TEST_F(EditedDocument, AnInputMovesTheVerdictBothWays) {
  const std::string gpus = "b200-8gpu.dp2-ep4.gpu-count";
  edit("b200-8gpu", [&](auto& d) { find(d, gpus)["parameters"]["ep"]["value"] = 8; });
  EXPECT_EQ(verdict("b200-8gpu", gpus), Verdict::contradicted);
  const std::string bubble = "moe30b-128gpu.pipeline-bubble";
  EXPECT_EQ(verdict("moe30b-128gpu", bubble), Verdict::contradicted);
  edit("moe30b-128gpu", [&](auto& d) {
    find(d, bubble)["parameters"]["m"]["value"] = 57;
    find(d, bubble)["findings"][0]["formula"] = "100*bubble(4,m)";
  });
  EXPECT_EQ(verdict("moe30b-128gpu", bubble), Verdict::holds);
}

TEST_F(EditedDocument, TheDocumentsHardwareMovesABound) {
  const std::string total = "ep64-tp2-128gpu.latency.communication";
  EXPECT_EQ(verdict("ep64-tp2-128gpu", total), Verdict::below_floor);
  edit("ep64-tp2-128gpu", [&](auto& d) { d["hardware"]["links_bytes_per_second"]["link"] = 1e11; });
  EXPECT_EQ(verdict("ep64-tp2-128gpu", total), Verdict::unmeasured);
  EXPECT_EQ(verdict("moe30b-128gpu", "moe30b-128gpu.ep-assignments"), Verdict::exceeds_hardware);
  edit("moe30b-128gpu", [&](auto& d) { find(d, "moe30b-128gpu.ep-assignments")["value"] = 32; });
  EXPECT_EQ(verdict("moe30b-128gpu", "moe30b-128gpu.ep-assignments"), Verdict::holds);
}

TEST(Check, OracleVerdicts) {
  const char* path = std::getenv("MOECAL_CLAIMS_ORACLE");
  if (path == nullptr) GTEST_SKIP() << "set MOECAL_CLAIMS_ORACLE to claims.json to compare with it";
  const auto oracle = parse_json(read_file(path), {path, 0});
  std::map<std::string, std::string> expected;
  const std::map<std::string, std::string> words{{"above-floor", "unmeasured"},
                                                 {"needs-measurement", "unmeasured"},
                                                 {"below-floor", "below_floor"},
                                                 {"exceeds-hardware", "exceeds_hardware"}};
  for (const auto& one : oracle["documents"])
    for (const auto& c : one["claims"]) {
      const auto verdict = c["verdict"].get<std::string>();
      expected[c["id"]] = words.count(verdict) ? words.at(verdict) : verdict;
    }
  const auto set = read_claims(data_path("claims"));
  for (const auto& document : set.documents)
    for (const auto& claim : document.claims) {
      const auto result = check_claim(set, document, claim, nullptr);
      EXPECT_EQ(to_string(result.verdict), expected[claim.id]) << claim.id << ": " << result.why;
    }
}

}  // namespace
}  // namespace moecal::planning
