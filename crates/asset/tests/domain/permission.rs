//! The laws of the permission algebra (core/PERM-4 … PERM-6), for random permissions.

use asset::{OrganizationId, Permission};
use proptest::prelude::*;

fn permission() -> impl Strategy<Value = Permission> {
    let organization = prop::sample::select(vec!["OrgA", "OrgB", "OrgC", "OrgD"]);
    let list = prop::collection::vec(organization, 0..5);
    (any::<bool>(), list).prop_map(|(public, names)| Permission {
        public,
        authorized_ids: names.into_iter().map(OrganizationId::new).collect(),
    })
}

fn organizations() -> [OrganizationId; 5] {
    ["OrgA", "OrgB", "OrgC", "OrgD", "Stranger"].map(OrganizationId::new)
}

proptest! {
    #[test]
    fn a_union_allows_who_either_allows(x in permission(), y in permission()) {
        for organization in organizations() {
            let either = x.allows(&organization) || y.allows(&organization);
            prop_assert_eq!(x.union(&y).allows(&organization), either);
        }
    }

    #[test]
    fn an_intersection_allows_who_both_allow(x in permission(), y in permission()) {
        // With two public sides everybody is allowed whatever the lists say.
        for organization in organizations() {
            let both = x.allows(&organization) && y.allows(&organization);
            prop_assert_eq!(x.intersection(&y).allows(&organization), both);
        }
    }

    #[test]
    fn a_public_union_lists_nobody_and_a_private_one_nobody_twice(x in permission(), y in permission()) {
        let union = x.union(&y);
        let mut unique = union.authorized_ids.clone();
        unique.sort();
        unique.dedup();
        prop_assert_eq!(unique.len(), union.authorized_ids.len());
        prop_assert!(!union.public || union.authorized_ids.is_empty());
    }

    #[test]
    fn the_list_of_an_intersection_is_the_narrower_one(x in permission(), y in permission()) {
        // core/PERM-5
        let intersection = x.intersection(&y);
        let expected = match (x.public, y.public) {
            (false, true) => x.authorized_ids.clone(),
            (true, false) => y.authorized_ids.clone(),
            _ => x.authorized_ids.iter().filter(|id| y.authorized_ids.contains(id)).cloned().collect(),
        };
        prop_assert_eq!(intersection.public, x.public && y.public);
        prop_assert_eq!(intersection.authorized_ids, expected);
    }

    #[test]
    fn the_list_of_a_union_is_the_first_one_and_what_the_second_adds(x in permission(), y in permission()) {
        // core/PERM-6, DEF-42
        let union = x.union(&y);
        prop_assume!(!union.public);
        let mut expected: Vec<OrganizationId> = Vec::new();
        for id in x.authorized_ids.iter().chain(&y.authorized_ids) {
            if !expected.contains(id) {
                expected.push(id.clone());
            }
        }
        prop_assert_eq!(union.authorized_ids, expected);
    }

    #[test]
    fn combining_with_itself_changes_nobodys_rights(x in permission()) {
        for organization in organizations() {
            prop_assert_eq!(x.union(&x).allows(&organization), x.allows(&organization));
            prop_assert_eq!(x.intersection(&x).allows(&organization), x.allows(&organization));
        }
    }
}
